//! Whether a request comes from Google for the service account that is expected
//! ([OIDC tokens](https://cloud.google.com/tasks/docs/creating-http-target-tasks#token),
//! [Pub/Sub](https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions)).

use aws::https_client;
use idempotency::Timestamp;

use crate::jwt::{Claims, Token};
use crate::keys::Keys;

/// Both forms are in use
/// ([ID tokens](https://developers.google.com/identity/openid-connect/openid-connect#an-id-tokens-payload)).
const ISSUERS: [&str; 2] = ["https://accounts.google.com", "accounts.google.com"];
/// How far apart Google's clock and ours may be, in seconds.
const LEEWAY: u64 = 30;

/// Checks the OIDC token that Cloud Tasks and Pub/Sub send as `Authorization: Bearer`.
#[derive(Debug)]
pub struct Verifier {
    issuers: Vec<String>,
    audience: String,
    account: String,
    keys: Keys,
}

/// A token was not accepted. The text does not quote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unverified {
    /// The request is not from whom it must be. Another try with this token can't help.
    #[error("the token is refused: {0}")]
    Refused(String),
    /// It is unknown whether it is: Google's keys can't be loaded. Answer so that the request is sent again.
    #[error("the token is not accepted: {0}")]
    Unavailable(String),
}

impl Verifier {
    /// Accepts tokens that Google issued to this service account, by its email, for this audience. Google's keys are loaded at
    /// the first token, kept as long as their reply states, and loaded again for an unknown key, once a minute at most.
    pub fn new(audience: impl Into<String>, account: impl Into<String>) -> Self {
        Self {
            issuers: ISSUERS.map(str::to_owned).into(),
            audience: audience.into(),
            account: account.into(),
            keys: Keys::of_google(https_client()),
        }
    }

    /// Accepts tokens of this issuer instead of Google, such as an emulator, with the keys at this URL.
    #[must_use]
    pub fn with_issuer(self, issuer: impl Into<String>, keys_url: impl Into<String>) -> Self {
        Self {
            issuers: vec![issuer.into()],
            keys: Keys::at(https_client(), keys_url.into()),
            ..self
        }
    }

    /// Checks a token, which is what follows `Bearer ` in the header `Authorization`.
    ///
    /// # Errors
    ///
    /// [`Unverified`]: no handler may run.
    pub async fn verify(&self, token: &str) -> Result<(), Unverified> {
        let refused = |why: &str| Unverified::Refused(why.to_owned());
        let token = Token::parse(token).map_err(refused)?;
        // Before keys are loaded for it: not every request shall cause one.
        self.check(&token.claims, Timestamp::now().seconds()).map_err(refused)?;
        let key = self.keys.get(&token.key_id).await?;
        match token.is_signed_by(&key) {
            true => Ok(()),
            false => Err(refused("its signature is wrong")),
        }
    }

    fn check(&self, claims: &Claims, now: u64) -> Result<(), &'static str> {
        let checks = [
            (self.issuers.contains(&claims.iss), "its issuer is another"),
            (claims.aud == self.audience, "its audience is another"),
            (claims.email == self.account, "its service account is another"),
            (
                claims.email_verified,
                "the email of its service account is not verified",
            ),
            (now < claims.exp.saturating_add(LEEWAY), "it is expired"),
            (
                claims.iat.max(claims.nbf) <= now + LEEWAY,
                "it is not valid yet; compare the clocks",
            ),
        ];
        checks
            .into_iter()
            .find(|(holds, _)| !holds)
            .map_or(Ok(()), |(_, why)| Err(why))
    }
}
