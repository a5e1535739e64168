//! A payload as the command line gives it: JSON, `-` for stdin, `@FILE`.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::exit::CliError;
use crate::push::MAX_PAYLOAD;

/// Reads the payload. It is text of at most [`MAX_PAYLOAD`] bytes; whether it
/// is JSON is for the envelope to say.
pub fn read_payload(argument: Option<&str>) -> Result<String, CliError> {
    match argument {
        None => Ok("{}".to_owned()),
        Some("-") => read_from(io::stdin().lock(), "stdin"),
        Some(text) => match text.strip_prefix('@') {
            Some(path) => read_from(open_file(Path::new(path))?, path),
            None => check_length("the payload", text.len()).map(|()| text.to_owned()),
        },
    }
}

/// Opens a file that the command line names.
pub(super) fn open_file(path: &Path) -> Result<File, CliError> {
    File::open(path).map_err(|error| CliError::Usage(format!("{} cannot be read: {error}", path.display())))
}

/// Whether a payload is short enough.
pub(super) fn check_length(what: &str, bytes: usize) -> Result<(), CliError> {
    if bytes <= MAX_PAYLOAD {
        return Ok(());
    }
    Err(CliError::Usage(format!(
        "{what} has more than {MAX_PAYLOAD} bytes; store large data elsewhere and push its address"
    )))
}

fn read_from(source: impl Read, name: &str) -> Result<String, CliError> {
    let mut bytes = Vec::new();
    source
        .take(MAX_PAYLOAD as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| CliError::Usage(format!("{name} cannot be read: {error}")))?;
    check_length(&format!("the payload from {name}"), bytes.len())?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        CliError::Usage(format!("the payload from {name} is not UTF-8 text, first at byte {at}"))
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_payload_comes_from_the_argument_or_a_file() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"{\"a\":1}\n").unwrap();
        let named = format!("@{}", file.path().display());
        assert_eq!(read_payload(Some(&named)).unwrap(), "{\"a\":1}\n");
        assert_eq!(read_payload(Some("{}")).unwrap(), "{}");
        assert_eq!(read_payload(None).unwrap(), "{}");
    }

    #[test]
    fn a_payload_over_the_limit_is_refused_before_it_is_read_whole() {
        let endless = io::repeat(b'x');
        let message = read_from(endless, "stdin").unwrap_err().to_string();
        assert!(message.contains("more than 1048576 bytes"), "{message}");
        let long = "x".repeat(MAX_PAYLOAD + 1);
        assert!(matches!(read_payload(Some(&long)), Err(CliError::Usage(_))));
    }

    #[test]
    fn a_missing_file_and_wrong_text_are_named() {
        let message = read_payload(Some("@nowhere.json")).unwrap_err().to_string();
        assert!(message.starts_with("nowhere.json cannot be read"), "{message}");
        let message = read_from(&b"{\"\xff\":1}"[..], "stdin").unwrap_err().to_string();
        assert!(message.contains("not UTF-8 text, first at byte 2"), "{message}");
    }
}
