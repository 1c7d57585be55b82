//! Just enough of ELF to tell a static program from others.

/// The dynamic loader that a program asks for; a static one asks for none.
pub(super) fn interpreter(bytes: &[u8]) -> Result<Option<String>, String> {
    const INTERPRETER: u32 = 3;
    if !bytes.starts_with(b"\x7fELF\x02\x01") {
        return Err("not a 64-bit little-endian program".into());
    }
    let table = number(bytes, 32, 8)?;
    let (size, count) = (number(bytes, 54, 2)?, number(bytes, 56, 2)?);
    for at in (0..count).map(|index| table + index * size) {
        if number(bytes, at, 4)? == u64::from(INTERPRETER) {
            let (start, length) = (number(bytes, at + 8, 8)?, number(bytes, at + 32, 8)?);
            let text = slice(bytes, start, length)?;
            let text = String::from_utf8_lossy(text);
            return Ok(Some(text.trim_end_matches('\0').to_owned()));
        }
    }
    Ok(None)
}

fn number(bytes: &[u8], at: u64, width: u64) -> Result<u64, String> {
    let part = slice(bytes, at, width)?;
    Ok(part.iter().rev().fold(0, |sum, byte| (sum << 8) | u64::from(*byte)))
}

fn slice(bytes: &[u8], at: u64, length: u64) -> Result<&[u8], String> {
    let range = usize::try_from(at).ok().zip(usize::try_from(at.saturating_add(length)).ok());
    range
        .and_then(|(from, to)| bytes.get(from..to))
        .ok_or_else(|| format!("the program ends before byte {at}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dynamic_program_names_its_loader() {
        // This test is one itself, wherever tests run today.
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let loader = interpreter(&own).unwrap().unwrap();
        assert!(loader.contains("ld"), "{loader}");
    }

    #[test]
    fn a_program_that_ends_early_is_an_error() {
        let mut header = b"\x7fELF\x02\x01".to_vec();
        header.resize(64, 0);
        assert_eq!(interpreter(&header), Ok(None));
        header[32] = 64;
        header[54] = 56;
        header[56] = 1;
        assert!(interpreter(&header).unwrap_err().contains("ends before byte 64"));
        assert!(interpreter(b"#!/bin/sh").is_err());
    }
}
