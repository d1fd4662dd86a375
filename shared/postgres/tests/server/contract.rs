//! The promises, with sixteen sessions.

use crate::server::Server;

conformance::store_tests! { start: Server::start().await, rounds: 50 }
