//! The header of an `.npy` file: a dictionary with a dtype, an order and a shape, in Python's words.
//!
//! Read by hand: parsers of all of Python's literals take a time that grows exponentially with nested lists.

use std::io::Read;

use super::numbers::Kind;
use super::{Declared, damaged};
use crate::error::{ArrayProblem, OtherValues, excerpt};

/// How a file begins.
pub(super) const MARK: &[u8] = b"\x93NUMPY";
/// NumPy writes 118 bytes for an array of up to five axes.
const HEADER_MAX: usize = 4096;
/// Axes of an array, at most; NumPy has 64.
const AXES_MAX: usize = 64;

/// What the header says, and its length with what stands before it.
pub(super) fn declared(source: &mut impl Read) -> Result<(Declared, u64), ArrayProblem> {
    let mut start = [0; 8];
    source.read_exact(&mut start).map_err(damaged)?;
    if start[..6] != *MARK {
        return Err(ArrayProblem::NotAnArrayFile);
    }
    let n_of_length = match start[6] {
        1 => 2,
        2 | 3 => 4,
        version => return Err(damaged(format!("version {version} of the format; 1, 2 and 3 are known"))),
    };
    let mut length = [0; 4];
    source.read_exact(&mut length[..n_of_length]).map_err(damaged)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > HEADER_MAX {
        return Err(damaged(format!("its header has {length} bytes; at most {HEADER_MAX} are read")));
    }
    let mut header = vec![0; length];
    source.read_exact(&mut header).map_err(damaged)?;
    let header = std::str::from_utf8(&header).map_err(|_| damaged("its header is no text"))?;
    Ok((Words(header).declared()?, (8 + n_of_length + length) as u64))
}

/// What is left of a header.
struct Words<'a>(&'a str);

impl<'a> Words<'a> {
    fn declared(mut self) -> Result<Declared, ArrayProblem> {
        let (mut kind, mut order, mut shape) = (None, None, None);
        self.expect("{")?;
        while !self.take("}") {
            let name = self.text()?;
            self.expect(":")?;
            match name {
                "descr" => kind = Some(self.kind()?),
                "fortran_order" => order = Some(self.truth()?),
                "shape" => shape = Some(self.shape()?),
                other => return Err(damaged(format!("its header has an entry {:?}", excerpt(other)))),
            }
            if !self.take(",") {
                self.expect("}")?;
                break;
            }
        }
        let absent = |name| damaged(format!("its header has no {name:?}"));
        let (kind, is_big_endian) = kind.ok_or_else(|| absent("descr"))?;
        let is_fortran = order.ok_or_else(|| absent("fortran_order"))?;
        Ok(Declared { kind, is_big_endian, is_fortran, shape: shape.ok_or_else(|| absent("shape"))? })
    }

    fn take(&mut self, word: &str) -> bool {
        self.0 = self.0.trim_start();
        let rest = self.0.strip_prefix(word);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn expect(&mut self, word: &str) -> Result<(), ArrayProblem> {
        if self.take(word) {
            Ok(())
        } else {
            Err(damaged(format!("its header has {:?} for {word:?}", excerpt(self.0))))
        }
    }

    fn text(&mut self) -> Result<&'a str, ArrayProblem> {
        let quote = if self.take("\"") { '"' } else { '\'' };
        if quote == '\'' {
            self.expect("'")?;
        }
        let (text, rest) = self.0.split_once(quote).ok_or_else(|| damaged("a quote of its header is not closed"))?;
        self.0 = rest;
        Ok(text)
    }

    fn truth(&mut self) -> Result<bool, ArrayProblem> {
        let is = self.take("True");
        if !is {
            self.expect("False")?;
        }
        Ok(is)
    }

    /// `'<f4'`; a list would be the fields of records.
    fn kind(&mut self) -> Result<(Kind, bool), ArrayProblem> {
        if self.take("[") {
            return Err(ArrayProblem::Dtype { found: "of records".to_owned(), instead: OtherValues::Records });
        }
        let text = self.text()?;
        let (order, name) = text.split_at_checked(1).unwrap_or((text, ""));
        let other = || ArrayProblem::Dtype { found: excerpt(text), instead: OtherValues::of_numpy(name) };
        let kind = match name {
            "f2" => Kind::F16,
            "f4" => Kind::F32,
            "f8" => Kind::F64,
            "i1" => Kind::I8,
            "i2" => Kind::I16,
            "i4" => Kind::I32,
            "i8" => Kind::I64,
            "u1" => Kind::U8,
            "u2" => Kind::U16,
            "u4" => Kind::U32,
            "u8" => Kind::U64,
            "b1" => Kind::Bool,
            _ => return Err(other()),
        };
        match order {
            "<" | "|" | "=" => Ok((kind, false)),
            ">" => Ok((kind, true)),
            _ => Err(other()),
        }
    }

    /// `(10, 3, 6)`, `(5,)` or `()`.
    fn shape(&mut self) -> Result<Vec<usize>, ArrayProblem> {
        self.expect("(")?;
        let mut shape = Vec::new();
        while !self.take(")") {
            self.0 = self.0.trim_start();
            let end = self.0.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.0.len());
            let (digits, rest) = self.0.split_at(end);
            shape.push(digits.parse().map_err(|_| damaged("its shape is not of whole numbers"))?);
            self.0 = rest;
            if shape.len() > AXES_MAX {
                return Err(damaged(format!("more than {AXES_MAX} axes")));
            }
            if !self.take(",") {
                self.expect(")")?;
                break;
            }
        }
        Ok(shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(header: &str) -> Result<Declared, String> {
        let length = u16::try_from(header.len()).unwrap().to_le_bytes();
        let bytes = [MARK, &[1, 0], &length, header.as_bytes()].concat();
        declared(&mut &bytes[..]).map(|(declared, _)| declared).map_err(|e| e.to_string())
    }

    #[test]
    fn headers_as_numpy_writes_them() {
        let found = of("{'descr': '<f4', 'fortran_order': False, 'shape': (10, 3, 6), }       \n").unwrap();
        assert_eq!((found.kind, found.is_big_endian, found.is_fortran), (Kind::F32, false, false));
        assert_eq!(found.shape, [10, 3, 6]);
        let found = of("{\"shape\": (5,), \"descr\": '>i8', 'fortran_order': True}").unwrap();
        assert_eq!(
            (found.kind, found.is_big_endian, found.is_fortran, &found.shape[..]),
            (Kind::I64, true, true, &[5][..])
        );
        assert_eq!(of("{'descr': '|b1', 'fortran_order': False, 'shape': ()}").unwrap().shape, [0_usize; 0]);
    }

    #[test]
    fn other_headers_are_refused_at_once() {
        let with =
            |descr: &str, shape: &str| of(&format!("{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}"));
        assert_eq!(
            with("'<c8'", "(1,)").unwrap_err(),
            "has dtype <c8; expected floats, integers or truth values of up to 64 bits: save items.real, or \
             np.abs(items), for an item has real numbers"
        );
        for (descr, advice) in [
            ("'<U5'", "text that spells numbers becomes them by items.astype(np.float32), words need"),
            ("'|S5'", "text that spells numbers"),
            (
                "'|O'",
                "np.array(items.tolist(), dtype=np.float32), which works where all items are numbers and equally long",
            ),
            ("'<f16'", "bits: save items.astype(np.float32)"),
            ("'|V2'", "as it does with bfloat16; convert the array before it is saved, items.astype(np.float32)"),
            ("[('x', '<f4')]", "items[\"FIELD\"], or of several along a new last axis, np.stack"),
            ("'<M8[s]'", "items.astype(np.int64)"),
            ("'?'", "convert the values to np.float32"),
        ] {
            let told = with(descr, "(1,)").unwrap_err();
            let is_named =
                descr.starts_with('[') || told.starts_with(&format!("has dtype {}; ", descr.trim_matches('\'')));
            assert!(is_named && told.contains(advice) && !told.contains("  "), "{told}");
        }
        assert!(with("[('x', '<f4')]", "(1,)").unwrap_err().contains("of records"));
        assert!(with(&"[".repeat(3000), "(1,)").unwrap_err().contains("of records"));
        assert!(with("'<f4'", &"(".repeat(3000)).unwrap_err().contains("whole numbers"));
        assert!(with("'<f4'", &format!("({})", "1,".repeat(70))).unwrap_err().contains("axes"));
        assert!(with("'<f4'", "(99999999999999999999,)").unwrap_err().contains("whole numbers"));
        assert!(of("{'descr': '<f4'}").unwrap_err().contains("no \"fortran_order\""));
        assert!(of(&" ".repeat(5000)).unwrap_err().contains("at most 4096"));
        assert!(of("").is_err() && of("{").is_err() && of("{'").is_err() && of("é").is_err());
    }
}
