//! Keeps the end of what a guest writes to stdout or stderr, within a bound of bytes and of lines. Writing never fails
//! and never waits: a guest that prints too much loses its first lines, not its life.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::limits::size;

/// What a guest may write at once; more makes it come back.
const WRITE: usize = 64 << 10;

/// One captured stream. Clones share what was captured.
#[derive(Clone, Debug)]
pub(crate) struct Capture(Arc<Mutex<Tail>>);

#[derive(Debug)]
struct Tail {
    kept: VecDeque<u8>,
    limit: usize,
    lines: usize,
    written: u64,
    cut: bool,
}

impl Capture {
    /// Keeps at most so many bytes, and so many lines.
    pub(crate) fn new(limit: usize, lines: usize) -> Self {
        Self(Arc::new(Mutex::new(Tail { kept: VecDeque::new(), limit, lines, written: 0, cut: false })))
    }

    /// Forgets what was captured.
    pub(crate) fn clear(&self) {
        let mut tail = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tail.kept.clear();
        (tail.written, tail.cut) = (0, false);
    }

    /// Bytes that were written so far, dropped ones included.
    pub(crate) fn written(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).written
    }

    /// What is kept of what was written after the first `written` bytes.
    pub(crate) fn since(&self, written: u64) -> String {
        let mut tail = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let new = size(tail.written.saturating_sub(written));
        let kept = tail.kept.make_contiguous();
        String::from_utf8_lossy(&kept[kept.len().saturating_sub(new)..]).into_owned()
    }

    /// The captured end as text without control characters, and whether anything before it was dropped.
    pub(crate) fn text(&self) -> (String, bool) {
        let mut tail = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = printable(&String::from_utf8_lossy(tail.kept.make_contiguous()));
        // What stands for a byte that is no text is longer than the byte.
        let excess = text.ceil_char_boundary(text.len().saturating_sub(tail.limit));
        text.drain(..excess);
        let ended = text.strip_suffix('\n').unwrap_or(&text);
        let surplus = match tail.lines.checked_sub(1) {
            None => text.len(),
            Some(breaks) => ended.rmatch_indices('\n').nth(breaks).map_or(0, |(end, _)| end + 1),
        };
        text.drain(..surplus);
        (text, tail.cut || excess > 0 || surplus > 0)
    }

    fn append(&self, bytes: &[u8]) {
        let mut tail = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tail.written = tail.written.saturating_add(crate::limits::bytes(bytes.len()));
        let fits = &bytes[bytes.len().saturating_sub(tail.limit)..];
        let excess = (tail.kept.len() + fits.len()).saturating_sub(tail.limit);
        tail.cut |= excess > 0 || fits.len() < bytes.len();
        tail.kept.drain(..excess);
        tail.kept.extend(fits);
    }
}

/// Without the control characters that could move a terminal's cursor or colour it; line ends and tabs stay.
pub(crate) fn printable(text: &str) -> String {
    text.chars().filter(|character| !character.is_control() || matches!(character, '\n' | '\t')).collect()
}

/// A text that a guest or a file chose, for a message: on one line, printable, and at most so many characters.
pub(crate) fn shown(text: &str, most: usize) -> String {
    let (text, rest) = text.char_indices().nth(most).map_or((text, ""), |(end, _)| (&text[..end], "…"));
    let line = |character: char| match character {
        '\n' | '\t' => Some(' '),
        character => (!character.is_control()).then_some(character),
    };
    text.chars().filter_map(line).chain(rest.chars()).collect()
}

impl IsTerminal for Capture {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Capture {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for Capture {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.append(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE)
    }
}

#[async_trait::async_trait]
impl Pollable for Capture {
    async fn ready(&mut self) {}
}

impl AsyncWrite for Capture {
    fn poll_write(self: Pin<&mut Self>, _context: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.append(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_kept_and_the_cut_is_told() {
        let capture = Capture::new(8, 10);
        capture.append(b"hello");
        assert_eq!(capture.text(), ("hello".to_owned(), false));
        capture.append(b" world");
        assert_eq!(capture.text(), ("lo world".to_owned(), true));
        capture.append(b"a line longer than the limit");
        assert_eq!(capture.text(), ("he limit".to_owned(), true));
    }

    #[test]
    fn the_last_lines_are_kept_and_no_more() {
        for (written, kept) in
            [("", ""), ("a\n", "a\n"), ("a\nb", "a\nb"), ("a\nb\nc\n", "b\nc\n"), ("\n\n\n\n", "\n\n")]
        {
            let capture = Capture::new(100, 2);
            capture.append(written.as_bytes());
            assert_eq!(capture.text(), (kept.to_owned(), kept != written), "{written:?}");
        }
        let none = Capture::new(100, 0);
        none.append(b"a");
        assert_eq!(none.text(), (String::new(), true));
    }

    #[test]
    fn what_was_written_since_is_told_as_far_as_it_is_kept() {
        let capture = Capture::new(8, 10);
        capture.append(b"hello");
        let before = capture.written();
        capture.append(b" you");
        assert_eq!(capture.since(before), " you");
        capture.append(b" over there");
        assert_eq!(capture.since(before), "er there");
        assert_eq!(capture.since(capture.written()), "");
    }

    #[test]
    fn bytes_that_are_no_text_do_not_grow_beyond_the_limit() {
        let capture = Capture::new(8, 10);
        capture.append(b"\xff\xff\xff\xff\xffabc");
        assert_eq!(capture.text(), ("\u{fffd}abc".to_owned(), true));
    }

    #[test]
    fn what_is_shown_is_short_and_printable() {
        assert_eq!(shown("äöü", 3), "äöü");
        assert_eq!(shown("ä\nö\x1b[2J", 4), "ä ö…");
    }

    #[test]
    fn control_characters_do_not_reach_a_terminal() {
        let capture = Capture::new(64, 10);
        capture.append(b"a\x1b[31mred\x07\tb\r\n\xff");
        assert_eq!(capture.text(), ("a[31mred\tb\n\u{fffd}".to_owned(), false));
    }
}
