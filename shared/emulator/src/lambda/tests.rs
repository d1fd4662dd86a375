//! The whole module at work: real processes, spoken to over real connections.

mod emulated;
mod function;
mod http;
mod invoking;
mod mapping;
mod processes;
mod queue;
mod stack;
