//! Lines on standard output. A reader that is slow, such as a paused terminal, holds up neither the stack nor Ctrl-C, and lines
//! that it does not read are not kept without end.

use std::io::Write;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};

/// Lines that wait for a slow reader. More are skipped.
const WAITING: usize = 1000;

/// Prints lines in a thread of its own.
pub(crate) struct Printer {
    lines: SyncSender<String>,
    skipped: u64,
    thread: JoinHandle<()>,
}

impl Printer {
    pub(crate) fn start(mut output: impl Write + Send + 'static) -> Self {
        let (lines, waiting) = sync_channel::<String>(WAITING);
        let thread = thread::spawn(move || {
            for line in waiting {
                // Its reader may be gone (`local up | head`); the stack goes on without one.
                let _ = writeln!(output, "{line}");
            }
        });
        Self {
            lines,
            skipped: 0,
            thread,
        }
    }

    pub(crate) fn line(&mut self, line: String) {
        if self.skipped > 0 {
            let skipped = format!(
                "... {} lines were skipped, because this output is read too slowly",
                self.skipped
            );
            match self.lines.try_send(skipped) {
                Ok(()) => self.skipped = 0,
                Err(_) => return self.skipped += 1,
            }
        }
        if let Err(TrySendError::Full(_)) = self.lines.try_send(line) {
            self.skipped += 1;
        }
    }

    /// Prints what waits.
    pub(crate) fn end(self) {
        drop(self.lines);
        // It does not panic.
        let _ = self.thread.join();
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// Waits at each line until the test reads it.
    struct Slow {
        read: Receiver<()>,
        lines: Sender<String>,
    }

    impl Write for Slow {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            let _ = self.read.recv();
            let _ = self.lines.send(String::from_utf8_lossy(text).into_owned());
            Ok(text.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_that_a_slow_reader_does_not_read_are_skipped() {
        let (reader, read) = channel();
        let (lines, written) = channel();
        let mut printer = Printer::start(Slow { read, lines });
        for number in 0..WAITING + 500 {
            printer.line(number.to_string());
        }
        // The thread may take the first line late, when others are skipped already.
        assert!(printer.skipped > 0);
        drop(reader);
        while printer.skipped > 0 {
            printer.line("last".to_owned());
            thread::yield_now();
        }
        printer.end();
        let written: String = written.iter().collect();
        assert!(written.starts_with("0\n1\n"), "{written}");
        assert!(
            written.contains("lines were skipped") && written.ends_with("last\n"),
            "{written}"
        );
    }
}
