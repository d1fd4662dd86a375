//! Root certificates: those compiled in, and those in the files that the environment names.

use std::env;
use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{Error as PemError, PemObject};

/// The variables that can name a file.
pub(crate) const VARIABLES: [&str; 2] = ["AWS_CA_BUNDLE", "SSL_CERT_FILE"];

/// A file of root certificates that an environment variable names can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("environment variable {variable} names {path:?}, which {problem}")]
pub struct RootsError {
    variable: &'static str,
    path: PathBuf,
    problem: String,
}

/// The variables that are set, and the files that they name. An empty variable counts as not set.
pub(crate) fn files() -> impl Iterator<Item = (&'static str, PathBuf)> {
    let file = |variable| Some((variable, env::var_os(variable).filter(|path| !path.is_empty())?.into()));
    VARIABLES.into_iter().filter_map(file)
}

/// The compiled-in roots and, in addition, the certificates in these files. A file that both variables name is read once.
pub(crate) fn roots(files: impl Iterator<Item = (&'static str, PathBuf)>) -> Result<RootCertStore, RootsError> {
    let mut files: Vec<_> = files.collect();
    files.dedup_by(|(_, one), (_, other)| one == other);
    let mut roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    for (variable, path) in files {
        if let Err(problem) = add_file(&mut roots, &path) {
            return Err(RootsError {
                variable,
                path,
                problem,
            });
        }
    }
    Ok(roots)
}

/// Adds the certificates in a PEM file. The error continues "the file, which".
fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), String> {
    let content = std::fs::read(path).map_err(|error| {
        format!("can't be read: {error}; name a PEM file of certificates that this process can read")
    })?;
    add_pem(roots, &content)
}

fn add_pem(roots: &mut RootCertStore, content: &[u8]) -> Result<(), String> {
    // Windows editors begin a file with it. The parser would skip the line, and with it the first certificate.
    let content = content.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(content);
    let (mut count, mut usable, mut first_refused) = (0, false, None);
    for certificate in CertificateDer::pem_slice_iter(content) {
        count += 1;
        let certificate = certificate.map_err(|error| broken(count, &error))?;
        match roots.add(certificate) {
            Ok(()) => usable = true,
            Err(error) => drop(first_refused.get_or_insert_with(|| refused(count, &error))),
        }
    }
    match (content.first(), first_refused) {
        // The bundle of a system may have old certificates that only other programs accept.
        _ if usable => Ok(()),
        (_, Some(refused)) => Err(refused),
        (first, None) => Err(no_certificate(first)),
    }
}

fn no_certificate(first: Option<&u8>) -> String {
    match first {
        None => format!("is empty: {EXPECTED}"),
        // The first byte of certificates, PKCS #7 and PKCS #12 in DER.
        Some(0x30) => format!("is DER, not PEM: {EXPECTED}; `openssl x509 -inform DER` converts one"),
        Some(_) => format!("holds no certificate: {EXPECTED}"),
    }
}

const EXPECTED: &str = "a file with `-----BEGIN CERTIFICATE-----` is expected";

fn broken(number: usize, error: &PemError) -> String {
    let error = match error {
        PemError::MissingSectionEnd { .. } => "its END line is missing".to_owned(),
        PemError::IllegalSectionStart { .. } => "its BEGIN line holds something else, too".to_owned(),
        other => other.to_string(),
    };
    format!("is broken at certificate {number}: {error}; replace that certificate")
}

fn refused(number: usize, error: &rustls::Error) -> String {
    let error = match error {
        rustls::Error::InvalidCertificate(error) => error.to_string(),
        other => other.to_string(),
    };
    format!("holds a certificate that can't be trusted, number {number}: {error}; remove or replace it")
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_smithy_types::base64;

    fn pem(label: &str, der: &[u8]) -> String {
        let content = base64::encode(der);
        format!("-----BEGIN {label}-----\n{content}\n-----END {label}-----\n")
    }

    fn der() -> Vec<u8> {
        let certificate = rcgen::generate_simple_self_signed(["example.com".to_owned()]).unwrap();
        certificate.cert.der().to_vec()
    }

    fn added(content: impl AsRef<[u8]>) -> Result<usize, String> {
        let mut roots = RootCertStore::empty();
        add_pem(&mut roots, content.as_ref()).map(|()| roots.len())
    }

    #[test]
    fn every_certificate_in_a_file_is_added() {
        let (one, two) = (pem("CERTIFICATE", &der()), pem("CERTIFICATE", &der()));
        assert_eq!(added(&one), Ok(1));
        assert_eq!(added(format!("# Company\n{one}\n# Another\n{two}")), Ok(2));
        assert_eq!(added(format!("{one}{two}").replace('\n', "\r\n")), Ok(2));
        assert_eq!(added(format!("\u{feff}{one}{two}")), Ok(2), "byte order mark");
        assert_eq!(added(format!("{}{one}", pem("PUBLIC KEY", b"a key"))), Ok(1));
        let unusable = pem("CERTIFICATE", b"no X.509");
        assert_eq!(added(format!("{unusable}{one}{unusable}")), Ok(1));
    }

    #[test]
    fn unusable_content_is_refused_with_its_reason() {
        let (good, der) = (pem("CERTIFICATE", &der()), der());
        let other = pem("CERTIFICATE", b"no X.509");
        let refused = |content: &[u8]| added(content).unwrap_err();
        assert!(refused(b"").starts_with("is empty: "));
        assert!(refused(&der).starts_with("is DER, not PEM: "));
        for content in ["\n", "hello", &pem("PKCS7", &der)] {
            assert!(
                refused(content.as_bytes()).starts_with("holds no certificate: "),
                "{content}"
            );
        }
        for (content, reason) in [
            (&good[..good.len() / 2], "its END line is missing"),
            (
                &good.replacen('\n', "\\n", 1),
                "its BEGIN line holds something else, too",
            ),
            (&good.replacen("\nMII", "\n*II", 1), "base64 decode error"),
        ] {
            // The text of the reason, and the number of the certificate in its file.
            for (content, number) in [(content.to_owned(), 1), (format!("{good}{content}"), 2)] {
                let expected = format!("is broken at certificate {number}: {reason}");
                let problem = refused(content.as_bytes());
                assert!(problem.starts_with(&expected), "{problem}");
            }
        }
        let problem = refused(format!("{other}{other}").as_bytes());
        assert!(problem.contains("number 1: BadEncoding; remove"), "{problem}");
    }

    #[test]
    fn unreadable_file_is_named_with_its_variable() {
        for (path, reason) in [
            ("/nowhere/ca.pem", "No such file or directory"),
            (env!("CARGO_MANIFEST_DIR"), "Is a directory"),
        ] {
            let error = roots([("AWS_CA_BUNDLE", path.into())].into_iter()).unwrap_err();
            let expected = format!("environment variable AWS_CA_BUNDLE names {path:?}, which can't be read: {reason}");
            assert!(error.to_string().starts_with(&expected), "{error}");
        }
    }

    #[test]
    fn compiled_in_roots_stay_and_a_file_counts_once() {
        let path = env::temp_dir().join(format!("roots-{}.pem", std::process::id()));
        std::fs::write(&path, pem("CERTIFICATE", &der())).unwrap();
        let extended = roots(VARIABLES.map(|variable| (variable, path.clone())).into_iter());
        std::fs::remove_file(&path).unwrap();
        let compiled_in = roots(std::iter::empty()).unwrap().len();
        assert_eq!(compiled_in, webpki_roots::TLS_SERVER_ROOTS.len());
        assert_eq!(extended.unwrap().len(), compiled_in + 1);
    }
}
