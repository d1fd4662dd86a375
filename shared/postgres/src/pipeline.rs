//! Requests on one connection, sent in order without waiting for answers.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row};

use crate::statements::Statement;

/// A message to the server.
pub(crate) enum Request<'a> {
    /// Statements without parameters. If one fails, those after it are not run.
    Simple(&'a str),
    /// One statement, unprepared: it costs one round trip, and works behind a pooler that shares connections by transaction.
    Query(&'a Statement),
}

/// The answers to requests, in their order.
pub(crate) struct Answers(Vec<Answered>);

type Answered = Result<Vec<Row>, Error>;

impl Answers {
    /// Whether all answers were read, so that nothing of these requests is under way.
    pub(crate) fn are_complete(&self) -> bool {
        let is_read = |answer: &Answered| answer.as_ref().err().is_none_or(|error| error.as_db_error().is_some());
        self.0.iter().all(is_read)
    }

    /// The first request that failed.
    pub(crate) fn first_error(&self) -> Option<(usize, &Error)> {
        let answers = self.0.iter().enumerate();
        answers
            .filter_map(|(place, answer)| Some((place, answer.as_ref().err()?)))
            .next()
    }

    /// The first row of a request's answer.
    pub(crate) fn row(&self, place: usize) -> Option<&Row> {
        self.0.get(place)?.as_ref().ok()?.first()
    }
}

/// Sends all requests at once, in this order, and reads all answers, also those after an error.
pub(crate) async fn send(client: &Client, requests: &[Request<'_>]) -> Answers {
    type Pending<'a> = Pin<Box<dyn Future<Output = Answered> + Send + 'a>>;
    // Each is sent when it is polled first.
    let pending = |request| -> Pending<'_> { Box::pin(answered(client, request)) };
    let mut pending: Vec<_> = requests.iter().map(|request| (pending(request), None)).collect();
    let answers = poll_fn(|cx| {
        let mut done = true;
        for (request, answer) in pending.iter_mut().filter(|(_, answer)| answer.is_none()) {
            match request.as_mut().poll(cx) {
                Poll::Ready(ready) => *answer = Some(ready),
                Poll::Pending => done = false,
            }
        }
        match done {
            true => Poll::Ready(pending.iter_mut().filter_map(|(_, answer)| answer.take()).collect()),
            false => Poll::Pending,
        }
    });
    Answers(answers.await)
}

async fn answered(client: &Client, request: &Request<'_>) -> Answered {
    match request {
        Request::Simple(text) => client.batch_execute(text).await.map(|()| Vec::new()),
        Request::Query(Statement { text, parameters }) => {
            let parameters = parameters.iter();
            let parameters: Vec<(&(dyn ToSql + Sync), Type)> = parameters
                .map(|(value, declared)| (value as _, declared.clone()))
                .collect();
            client.query_typed(text, &parameters).await
        }
    }
}
