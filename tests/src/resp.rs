//! Where a command or a reply of Redis ends, in the protocol's second version.

/// The first whole command: its length in bytes, and its words.
pub(crate) fn command(bytes: &[u8]) -> Option<(usize, Vec<Vec<u8>>)> {
    let (count, mut at) = number_after(b'*', bytes, 0)?;
    let mut words = Vec::new();
    for _ in 0..count {
        let (length, start) = number_after(b'$', bytes, at)?;
        at = start + usize::try_from(length).ok()? + 2;
        words.push(bytes.get(start..at)?.strip_suffix(b"\r\n")?.to_vec());
    }
    Some((at, words))
}

/// The length of the first whole reply.
pub(crate) fn reply(bytes: &[u8]) -> Option<usize> {
    reply_from(bytes, 0)
}

/// What a bulk string says.
pub(crate) fn text(reply: &[u8]) -> Option<String> {
    let (length, start) = number_after(b'$', reply, 0)?;
    let text = reply.get(start..start + usize::try_from(length).ok()?)?;
    String::from_utf8(text.to_vec()).ok()
}

fn reply_from(bytes: &[u8], at: usize) -> Option<usize> {
    match bytes.get(at)? {
        b'$' => {
            let (length, start) = number_after(b'$', bytes, at)?;
            let end = usize::try_from(length).map_or(start, |length| start + length + 2);
            (end <= bytes.len()).then_some(end)
        }
        b'*' => {
            let (count, start) = number_after(b'*', bytes, at)?;
            (0..count).try_fold(start, |at, _| reply_from(bytes, at))
        }
        _ => line(bytes, at).map(|(_, end)| end),
    }
}

/// The number of a line that begins with `kind`, and where the next one begins.
fn number_after(kind: u8, bytes: &[u8], at: usize) -> Option<(i64, usize)> {
    let (line, end) = line(bytes, at)?;
    let digits = line.strip_prefix(&[kind])?;
    Some((std::str::from_utf8(digits).ok()?.parse().ok()?, end))
}

fn line(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let rest = bytes.get(at..)?;
    let length = rest.windows(2).position(|pair| pair == b"\r\n")?;
    Some((&rest[..length], at + length + 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_command_is_told_from_a_part_of_one() {
        let whole = b"*2\r\n$4\r\nINFO\r\n$2\r\n\r\n\r\n";
        assert_eq!(command(whole), Some((whole.len(), vec![b"INFO".to_vec(), b"\r\n".to_vec()])));
        for cut in 0..whole.len() {
            assert_eq!(command(&whole[..cut]), None, "{cut}");
        }
    }

    #[test]
    fn a_whole_reply_is_told_from_a_part_of_one() {
        for whole in [
            "+OK\r\n",
            "-ERR no\r\n",
            ":12\r\n",
            "$-1\r\n",
            "*-1\r\n",
            "$3\r\na\r\n\r\n",
            "*2\r\n*1\r\n:1\r\n$0\r\n\r\n",
        ] {
            let next = format!("{whole}+NEXT\r\n");
            assert_eq!(reply(next.as_bytes()), Some(whole.len()), "{whole:?}");
            for cut in 0..whole.len() {
                assert_eq!(reply(&whole.as_bytes()[..cut]), None, "{whole:?} {cut}");
            }
        }
        assert_eq!(text(b"$2\r\nab\r\n").as_deref(), Some("ab"));
    }
}
