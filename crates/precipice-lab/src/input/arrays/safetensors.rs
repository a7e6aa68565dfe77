//! The header of a `.safetensors` file: where each tensor is.

use std::io::Read;
use std::ops::Range;

use safetensors::Dtype;
use safetensors::tensor::Metadata;

use super::numbers::Kind;
use super::{Declared, NAMES_MAX, damaged};
use crate::error::{ArrayProblem, OtherValues, excerpt};

/// Bytes of a header, at most: some ten thousand tensors.
const HEADER_MAX: u64 = 1 << 20;

/// What the header says of a tensor, and where in the file it stands.
pub(super) fn declared(
    source: &mut impl Read,
    n_bytes: u64,
    name: &str,
) -> Result<(Declared, Range<u64>), ArrayProblem> {
    let mut length = [0; 8];
    source.read_exact(&mut length).map_err(damaged)?;
    let length = u64::from_le_bytes(length);
    if length > HEADER_MAX || length + 8 > n_bytes {
        let most = HEADER_MAX.min(n_bytes.saturating_sub(8));
        return Err(damaged(format!("its header has {length} bytes; at most {most} are read")));
    }
    let mut header = vec![0; length as usize];
    source.read_exact(&mut header).map_err(damaged)?;
    let metadata: Metadata = serde_json::from_slice(&header).map_err(damaged)?;
    let Some(tensor) = metadata.info(name) else {
        let there_are = metadata.offset_keys().iter().take(NAMES_MAX).map(|name| excerpt(name)).collect();
        return Err(ArrayProblem::Missing { what: "tensor", name: excerpt(name), there_are });
    };
    let (start, end) = tensor.data_offsets;
    let begin = 8 + length;
    let range = begin.saturating_add(start as u64)..begin.saturating_add(end as u64);
    if range.start > range.end || range.end > n_bytes {
        return Err(damaged("a tensor ends beyond the file"));
    }
    let kind = match tensor.dtype {
        Dtype::F16 => Kind::F16,
        Dtype::BF16 => Kind::Bf16,
        Dtype::F32 => Kind::F32,
        Dtype::F64 => Kind::F64,
        Dtype::I8 => Kind::I8,
        Dtype::I16 => Kind::I16,
        Dtype::I32 => Kind::I32,
        Dtype::I64 => Kind::I64,
        Dtype::U8 => Kind::U8,
        Dtype::U16 => Kind::U16,
        Dtype::U32 => Kind::U32,
        Dtype::U64 => Kind::U64,
        Dtype::BOOL => Kind::Bool,
        Dtype::C64 => return Err(ArrayProblem::Dtype { found: "C64".to_owned(), instead: OtherValues::Complex }),
        other => return Err(ArrayProblem::Dtype { found: format!("{other:?}"), instead: OtherValues::Floats }),
    };
    Ok((Declared { kind, is_big_endian: false, is_fortran: false, shape: tensor.shape.clone() }, range))
}
