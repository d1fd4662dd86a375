//! Standard output.

/// Prints a line. Its reader may be gone (`local up | head`); the command goes on without one.
#[macro_export]
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write;
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}
