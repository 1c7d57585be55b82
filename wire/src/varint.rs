//! Unsigned LEB128 integers of up to 64 bits, and zigzag for signed ones (protocol section 2).

use crate::Malformed;

/// Appends `value`.
#[inline]
pub fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Takes an integer off the front of `bytes`.
#[inline]
pub fn take(bytes: &mut &[u8]) -> Result<u64, Malformed> {
    match bytes.first() {
        Some(byte) if *byte < 0x80 => {
            *bytes = &bytes[1..];
            Ok(u64::from(*byte))
        }
        Some(_) => take_long(bytes),
        None => Err(Malformed::Truncated("an integer")),
    }
}

fn take_long(bytes: &mut &[u8]) -> Result<u64, Malformed> {
    let mut value = 0u64;
    for i in 0..10 {
        let Some(byte) = bytes.get(i) else { return Err(Malformed::Truncated("an integer")) };
        if i == 9 && *byte > 1 {
            break;
        }
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            // One value has one encoding, or keys could hash apart.
            if i > 0 && *byte == 0 {
                return Err(Malformed::Unknown { what: "padding of an integer", got: value });
            }
            *bytes = &bytes[i + 1..];
            return Ok(value);
        }
    }
    Err(Malformed::Limit { what: "an integer", got: 10, limit: 9 })
}

/// Maps small magnitudes of either sign to small integers.
#[inline]
pub fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// The inverse of [`zigzag`].
#[inline]
pub fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_integer_comes_back_and_leaves_the_rest(value: u64, rest: Vec<u8>) {
            let mut bytes = Vec::new();
            put(&mut bytes, value);
            bytes.extend(&rest);
            let mut left = &bytes[..];
            prop_assert_eq!(take(&mut left), Ok(value));
            prop_assert_eq!(left, &rest[..]);
        }

        #[test]
        fn every_signed_integer_comes_back(value: i64) {
            prop_assert_eq!(unzigzag(zigzag(value)), value);
        }
    }

    #[test]
    fn overlong_and_cut_integers_are_refused() {
        for bad in [&[][..], &[0x80], &[0x80, 0x00], &[0xff; 10], &[0xff; 11]] {
            assert!(take(&mut &*bad).is_err(), "{bad:?}");
        }
    }
}
