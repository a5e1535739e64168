//! Source files made by rule, so that no binary lies in the repository.

use std::fmt::Write;

/// A valid PNG: an RGB gradient, stored without compression.
pub(super) fn gradient_png(width: u32, height: u32) -> Vec<u8> {
    let mut pixels = Vec::new();
    for y in 0..height {
        pixels.push(0); // this row has no filter
        for x in 0..width {
            let shade = |value: u32, limit: u32| (value * 255 / limit).to_le_bytes()[0];
            pixels.extend([shade(x, width), shade(y, height), shade(x + y, width + height)]);
        }
    }
    let mut header = Vec::new();
    header.extend(width.to_be_bytes());
    header.extend(height.to_be_bytes());
    header.extend([8, 2, 0, 0, 0]); // 8 bits a channel, RGB, the only methods, not interlaced
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, data) in [(b"IHDR", header), (b"IDAT", zlib_stored(&pixels)), (b"IEND", Vec::new())] {
        let typed = [&kind[..], &data].concat();
        png.extend(length(&data).to_be_bytes());
        png.extend(&typed);
        png.extend(crc32(&typed).to_be_bytes());
    }
    png
}

/// Bytes in the shape of an MP4 file: boxes that `file` and a parser accept, with
/// a movie header but no track. No player will show anything.
pub(super) fn video_like(size: usize) -> Vec<u8> {
    let mut movie_header = vec![0; 100];
    movie_header[12..16].copy_from_slice(&1000_u32.to_be_bytes()); // ticks in a second
    movie_header[20..24].copy_from_slice(&0x0001_0000_u32.to_be_bytes()); // normal speed
    movie_header[96..100].copy_from_slice(&1_u32.to_be_bytes()); // the next track's id
    let mut bytes = mp4_box(*b"ftyp", b"isom\0\0\x02\0isommp42");
    bytes.extend(mp4_box(*b"moov", &mp4_box(*b"mvhd", &movie_header)));
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut media = Vec::with_capacity(size);
    while media.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        media.extend(state.to_le_bytes());
    }
    bytes.extend(mp4_box(*b"mdat", &media));
    bytes
}

/// The path as it stands in a URL.
pub(super) fn url_path(path: &str) -> String {
    let mut text = String::new();
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            text.push(byte.into());
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

fn mp4_box(kind: [u8; 4], content: &[u8]) -> Vec<u8> {
    [&(length(content) + 8).to_be_bytes()[..], &kind, content].concat()
}

/// A zlib stream of stored blocks.
fn zlib_stored(data: &[u8]) -> Vec<u8> {
    let mut stream = vec![0x78, 0x01];
    let mut blocks = data.chunks(0xffff).peekable();
    while let Some(block) = blocks.next() {
        stream.push(u8::from(blocks.peek().is_none()));
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        stream.extend(length.to_le_bytes());
        stream.extend((!length).to_le_bytes());
        stream.extend(block);
    }
    let (mut a, mut b) = (1_u32, 0_u32);
    for byte in data {
        a = (a + u32::from(*byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    stream.extend((b << 16 | a).to_be_bytes());
    stream
}

fn crc32(data: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in data {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = crc >> 1 ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 };
        }
    }
    !crc
}

/// The files are far below 4 GiB.
fn length(data: &[u8]) -> u32 {
    u32::try_from(data.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_the_standards() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(zlib_stored(b"123456789")[16..], 0x091e_01de_u32.to_be_bytes());
    }

    #[test]
    fn a_path_is_encoded_for_a_url_and_keeps_its_slashes() {
        assert_eq!(url_path("a b/ü.png"), "a%20b/%C3%BC.png");
    }
}
