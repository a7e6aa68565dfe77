//! Named arrays for NumPy: an npz archive, or a safetensors file.

use std::collections::HashMap;
use std::io::{self, Cursor, Write};

use npyz::WriterBuilder;
use safetensors::Dtype;
use safetensors::tensor::TensorView;

/// Numbers of an array, in C order.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// int64
    Int(Vec<i64>),
    /// boolean
    Bool(Vec<bool>),
    /// float32
    Single(Vec<f32>),
    /// float64
    Real(Vec<f64>),
    /// Unicode of one width
    Text(Vec<String>),
}

/// An array with its name.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Key in the archive.
    pub name: String,
    /// Lengths of its axes.
    pub shape: Vec<usize>,
    /// As many as the shape says.
    pub values: Values,
}

impl Array {
    /// An array of a shape.
    ///
    /// # Panics
    /// If there are more or fewer values than the shape says.
    pub fn new(name: impl Into<String>, shape: &[usize], values: Values) -> Self {
        let name = name.into();
        assert_eq!(values.len(), shape.iter().product::<usize>(), "values of {name:?} {shape:?}");
        Self { name, shape: shape.to_vec(), values }
    }

    fn npy(&self) -> io::Result<Vec<u8>> {
        match &self.values {
            Values::Int(values) => npy(values, &self.shape),
            Values::Bool(values) => npy(values, &self.shape),
            Values::Single(values) => npy(values, &self.shape),
            Values::Real(values) => npy(values, &self.shape),
            Values::Text(values) => Ok(npy_text(values, &self.shape)),
        }
    }

    fn little_endian(&self) -> io::Result<(Dtype, Vec<u8>)> {
        Ok(match &self.values {
            Values::Int(values) => (Dtype::I64, values.iter().flat_map(|x| x.to_le_bytes()).collect()),
            Values::Bool(values) => (Dtype::BOOL, values.iter().map(|&is| u8::from(is)).collect()),
            Values::Single(values) => (Dtype::F32, values.iter().flat_map(|x| x.to_le_bytes()).collect()),
            Values::Real(values) => (Dtype::F64, values.iter().flat_map(|x| x.to_le_bytes()).collect()),
            Values::Text(_) => return Err(io::Error::other(format!("{}: safetensors has no text", self.name))),
        })
    }
}

impl Values {
    fn len(&self) -> usize {
        match self {
            Values::Int(values) => values.len(),
            Values::Bool(values) => values.len(),
            Values::Single(values) => values.len(),
            Values::Real(values) => values.len(),
            Values::Text(values) => values.len(),
        }
    }
}

/// An archive that `numpy.load` reads, with one entry an array; the same arrays give the same bytes.
///
/// # Errors
/// If writing to memory fails.
///
/// ```
/// use precipice_lab::store::arrays::{Array, Values, npz};
/// let bytes = npz(&[Array::new("steps", &[2], Values::Int(vec![0, 100]))])?;
/// assert!(bytes.starts_with(b"PK"));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn npz(arrays: &[Array]) -> io::Result<Vec<u8>> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for array in arrays {
        let bytes = array.npy()?;
        let options = zip::write::SimpleFileOptions::default().large_file(u32::try_from(bytes.len()).is_err());
        archive.start_file(format!("{}.npy", array.name), options).map_err(io::Error::other)?;
        archive.write_all(&bytes)?;
    }
    Ok(archive.finish().map_err(io::Error::other)?.into_inner())
}

/// The same as a safetensors file, with one entry of metadata, the program's; the same arrays give the same bytes.
///
/// # Errors
/// If one of them is text, for which the format has no type.
///
/// ```
/// use precipice_lab::store::arrays::{Array, Values, safetensors};
/// let bytes = safetensors(&[Array::new("steps", &[2], Values::Int(vec![0, 100]))], "{}")?;
/// assert!(bytes.ends_with(&100_u64.to_le_bytes()));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn safetensors(arrays: &[Array], metadata: &str) -> io::Result<Vec<u8>> {
    let data = arrays.iter().map(Array::little_endian).collect::<io::Result<Vec<_>>>()?;
    let views = arrays.iter().zip(&data).map(|(array, (dtype, bytes))| {
        let view = TensorView::new(*dtype, array.shape.clone(), bytes).map_err(io::Error::other)?;
        Ok((array.name.as_str(), view))
    });
    let views = views.collect::<io::Result<Vec<_>>>()?;
    let metadata = HashMap::from([("precipice".to_owned(), metadata.to_owned())]);
    safetensors::serialize(views, Some(metadata)).map_err(io::Error::other)
}

fn npy<T: npyz::AutoSerialize + Copy>(values: &[T], shape: &[usize]) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let shape: Vec<u64> = shape.iter().map(|&n| n as u64).collect();
    let mut writer = npyz::WriteOptions::new().default_dtype().shape(&shape).writer(&mut bytes).begin_nd()?;
    writer.extend(values.iter().copied())?;
    writer.finish()?;
    Ok(bytes)
}

/// NumPy's format 1.0 with a dtype `<U`: four bytes a character, filled up with zeros.
fn npy_text(values: &[String], shape: &[usize]) -> Vec<u8> {
    let width = values.iter().map(|text| text.chars().count()).max().unwrap_or(0).max(1);
    let shape: String = shape.iter().map(|n| format!("{n},")).collect();
    let mut header = format!("{{'descr': '<U{width}', 'fortran_order': False, 'shape': ({shape}), }}");
    // Magic, length and header fill a multiple of 64 bytes, and a line feed ends it.
    let filled = (10 + header.len() + 1).next_multiple_of(64);
    header += &" ".repeat(filled - 10 - header.len() - 1);
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    for text in values {
        let filled = text.chars().map(u32::from).chain(std::iter::repeat(0)).take(width);
        filled.for_each(|character| bytes.extend(character.to_le_bytes()));
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn entry(bytes: &[u8], name: &str) -> Vec<u8> {
        let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
        let mut content = Vec::new();
        archive.by_name(name).unwrap().read_to_end(&mut content).unwrap();
        content
    }

    #[test]
    fn text_is_an_array_that_numpy_reads() {
        let text = vec!["a".to_owned(), "b, \"c\"".to_owned()];
        let text = entry(&npz(&[Array::new("run", &[2], Values::Text(text))]).unwrap(), "run.npy");
        let header_end = 10 + usize::from(u16::from_le_bytes([text[8], text[9]]));
        assert_eq!((header_end % 64, text.len() - header_end), (0, 2 * 6 * 4));
        let file = npyz::NpyFile::new(&text[..]).unwrap();
        assert_eq!((file.shape(), file.dtype().descr()), (&[2][..], "'<U6'".to_owned()));
        assert_eq!(&text[header_end..][..8], [b'a', 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn arrays_keep_their_shape_and_order() {
        let values: Vec<f32> = (0..6u8).map(f32::from).collect();
        let array = Array::new("blocks.0.attn.pattern", &[3, 2], Values::Single(values.clone()));
        let bytes = entry(&npz(&[array]).unwrap(), "blocks.0.attn.pattern.npy");
        let file = npyz::NpyFile::new(&bytes[..]).unwrap();
        assert_eq!((file.shape(), file.order()), (&[3, 2][..], npyz::Order::C));
        assert_eq!(file.into_vec::<f32>().unwrap(), values);
    }
}
