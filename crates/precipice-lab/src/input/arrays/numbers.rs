//! Numbers of any kind, read one after the other.

use std::io::{Read, Result};

use half::{bf16, f16};

/// How a number is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    F16,
    Bf16,
    F32,
    F64,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    Bool,
}

impl Kind {
    pub fn n_bytes(self) -> usize {
        match self {
            Kind::I8 | Kind::U8 | Kind::Bool => 1,
            Kind::F16 | Kind::Bf16 | Kind::I16 | Kind::U16 => 2,
            Kind::F32 | Kind::I32 | Kind::U32 => 4,
            Kind::F64 | Kind::I64 | Kind::U64 => 8,
        }
    }

    pub fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }

    /// The number of little-endian bytes.
    fn value(self, bytes: &[u8]) -> f64 {
        let mut wide = [0; 8];
        wide[..bytes.len()].copy_from_slice(bytes);
        let [a, b, c, d, ..] = wide;
        match self {
            Kind::F16 => f16::from_le_bytes([a, b]).to_f64(),
            Kind::Bf16 => bf16::from_le_bytes([a, b]).to_f64(),
            Kind::F32 => f32::from_le_bytes([a, b, c, d]).into(),
            Kind::F64 => f64::from_le_bytes(wide),
            Kind::I8 => i8::from_le_bytes([a]).into(),
            Kind::I16 => i16::from_le_bytes([a, b]).into(),
            Kind::I32 => i32::from_le_bytes([a, b, c, d]).into(),
            Kind::I64 => i64::from_le_bytes(wide) as f64,
            Kind::U8 => a.into(),
            Kind::U16 => u16::from_le_bytes([a, b]).into(),
            Kind::U32 => u32::from_le_bytes([a, b, c, d]).into(),
            Kind::U64 => u64::from_le_bytes(wide) as f64,
            Kind::Bool => f64::from(a != 0),
        }
    }
}

/// Bytes that are read at once.
const CHUNK: usize = 1 << 16;

/// Reads `n` numbers and gives each of them with its place.
pub(super) fn read(
    source: &mut impl Read,
    kind: Kind,
    is_big_endian: bool,
    n: usize,
    mut give: impl FnMut(usize, f64),
) -> Result<()> {
    let (width, mut buffer, mut place) = (kind.n_bytes(), vec![0; CHUNK], 0);
    while place < n {
        let bytes = &mut buffer[..(n - place).min(CHUNK / width) * width];
        source.read_exact(bytes)?;
        for number in bytes.chunks_exact_mut(width) {
            if is_big_endian {
                number.reverse();
            }
            give(place, kind.value(number));
            place += 1;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_kind() {
        let of = |kind: Kind, bytes: &[u8], is_big_endian| {
            let mut found = Vec::new();
            read(&mut &bytes[..], kind, is_big_endian, bytes.len() / kind.n_bytes(), |_, x| found.push(x)).unwrap();
            found
        };
        assert_eq!(of(Kind::F16, &[0, 0x3C, 0, 0xC0], false), [1.0, -2.0]);
        assert_eq!(of(Kind::Bf16, &[0x80, 0x3F], false), [1.0]);
        assert_eq!(of(Kind::F32, &1.5_f32.to_be_bytes(), true), [1.5]);
        assert_eq!(of(Kind::F64, &(-0.1_f64).to_le_bytes(), false), [-0.1]);
        assert_eq!(of(Kind::I8, &[0xFF, 1], false), [-1.0, 1.0]);
        assert_eq!(of(Kind::I16, &(-300_i16).to_be_bytes(), true), [-300.0]);
        assert_eq!(of(Kind::I32, &(-70_000_i32).to_le_bytes(), false), [-70_000.0]);
        assert_eq!(of(Kind::I64, &(-(1_i64 << 40)).to_le_bytes(), false), [-(2.0_f64.powi(40))]);
        assert_eq!(of(Kind::U8, &[255], false), [255.0]);
        assert_eq!(of(Kind::U16, &[1, 0], true), [256.0]);
        assert_eq!(of(Kind::U32, &u32::MAX.to_le_bytes(), false), [4_294_967_295.0]);
        assert_eq!(of(Kind::U64, &(1_u64 << 60).to_le_bytes(), false), [2.0_f64.powi(60)]);
        assert_eq!(of(Kind::Bool, &[0, 1, 1], false), [0.0, 1.0, 1.0]);
        assert!(read(&mut &[0_u8; 7][..], Kind::F32, false, 2, |_, _| ()).is_err());
    }
}
