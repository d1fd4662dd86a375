//! Which promise a failed test broke.

/// The promises that a test shows. The test's output names them if it fails.
#[derive(Debug)]
pub struct Shows(pub &'static str);

impl Drop for Shows {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("broken: {}", self.0);
        }
    }
}
