// SPDX-License-Identifier: MIT OR Apache-2.0
//! NumPy's `.npy`: arrays whose first axis is unknown until the end, as values are appended and the shape is put in last; and arrays
//! of others (<https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>).

use std::{
    fs::File,
    io::{self, BufWriter, Seek, SeekFrom, Write},
    path::Path,
};

use half::f16;
use npyz::{DType, TypeChar};

use crate::atomic_file::AtomicFile;

/// Length of everything before the values, a multiple of 64 as the format wants.
const HEAD: usize = 192;

/// A growing array of little-endian f32.
pub(crate) struct NpyWriter {
    out: BufWriter<File>,
    part: AtomicFile,
    item: Vec<usize>,
    values: u64,
}

impl NpyWriter {
    /// An array of items of this shape, `path` when it is finished.
    pub(crate) fn create(path: &Path, item: &[usize]) -> io::Result<Self> {
        let (part, file) = AtomicFile::create(path)?;
        let mut writer = Self { out: BufWriter::new(file), part, item: item.to_owned(), values: 0 };
        writer.head()?;
        Ok(writer)
    }

    /// Appends whole items.
    pub(crate) fn write(&mut self, values: &[f32]) -> io::Result<()> {
        debug_assert_eq!(values.len() % self.item.iter().product::<usize>(), 0);
        self.values += values.len() as u64;
        self.out.write_all(bytemuck_le(values).as_ref())
    }

    /// Puts the shape in; gives the number of items.
    pub(crate) fn finish(mut self) -> io::Result<u64> {
        self.out.seek(SeekFrom::Start(0))?;
        self.head()?;
        self.out.flush()?;
        self.out.get_ref().sync_data()?;
        let items = self.items();
        self.part.keep()?;
        Ok(items)
    }

    fn items(&self) -> u64 {
        self.values / self.item.iter().product::<usize>().max(1) as u64
    }

    fn head(&mut self) -> io::Result<()> {
        self.out.write_all(&head(&self.item, self.items()))
    }
}

/// An array of `values` in items of this shape, as the bytes of a file.
pub(crate) fn whole(item: &[usize], values: &[f32]) -> Vec<u8> {
    let items = values.len() / item.iter().product::<usize>().max(1);
    [&head(item, items as u64), bytemuck_le(values).as_ref()].concat()
}

fn head(item: &[usize], items: u64) -> Vec<u8> {
    let axes: String = item.iter().map(|axis| format!(" {axis},")).collect();
    let dictionary = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({items},{axes}), }}");
    let length = HEAD - 10;
    let text = format!("{dictionary:<width$}\n", width = length - 1);
    [b"\x93NUMPY\x01\x00", &(length as u16).to_le_bytes()[..], text.as_bytes()].concat()
}

/// The values' bytes, lowest first.
fn bytemuck_le(values: &[f32]) -> std::borrow::Cow<'_, [u8]> {
    if cfg!(target_endian = "little") {
        bytemuck::cast_slice(values).into()
    } else {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }
}

/// What [`read`] expects.
pub(crate) const EXPECTED: &str = "a whole .npy file of float16, float32 or float64 values in C order";

/// An array of float16, float32 or float64 in C order: its shape, and its values.
///
/// # Errors
/// What was found in place of [`EXPECTED`], with the remedy.
pub(crate) fn read(bytes: &[u8]) -> Result<(Vec<usize>, Vec<f32>), String> {
    let mut values = bytes;
    let header = npyz::NpyHeader::from_reader(&mut values).map_err(|error| format!("no .npy file: {error}"))?;
    if header.order() != npyz::Order::C {
        return Err("values in Fortran order; numpy.ascontiguousarray changes it".into());
    }
    let shape: Vec<_> = header.shape().iter().map(|axis| *axis as usize).collect();
    let size = float_size(&header.dtype())?;
    let count = shape.iter().try_fold(1usize, |count, axis| count.checked_mul(*axis));
    let found = values.len() / size;
    let Some(count) = count.filter(|count| *count <= found) else {
        return Err(format!("{found} values for the shape {shape:?}: the file is incomplete; write or copy it again"));
    };
    let values = &values[..count * size];
    let reason = |error: io::Error| error.to_string();
    let file = npyz::NpyFile::with_header(header, values);
    let values = match size {
        2 => file.into_vec::<f16>().map_err(reason)?.into_iter().map(f16::to_f32).collect(),
        4 => file.into_vec::<f32>().map_err(reason)?,
        _ => file.into_vec::<f64>().map_err(reason)?.into_iter().map(|value| value as f32).collect(),
    };
    Ok((shape, values))
}

/// Bytes of a value of floating point, or what the values are instead.
fn float_size(kind: &DType) -> Result<usize, String> {
    let name = match kind {
        DType::Plain(plain) => match (plain.type_char(), plain.size_field()) {
            (TypeChar::Float, size @ (2 | 4 | 8)) => return Ok(size as usize),
            (TypeChar::Bool, _) => "bool".into(),
            (TypeChar::Int, size) => format!("int{}", 8 * size),
            (TypeChar::Uint, size) => format!("uint{}", 8 * size),
            (TypeChar::Float, size) => format!("float{}", 8 * size),
            (TypeChar::Complex, size) => format!("complex{}", 8 * size),
            _ => kind.descr(),
        },
        _ => kind.descr(),
    };
    Err(format!("values of {name}; astype(\"float32\") converts numbers"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An array of this type and shape, with these bytes.
    fn array(kind: &str, order: &str, shape: &str, values: &[u8]) -> Vec<u8> {
        let dictionary = format!("{{'descr': '{kind}', 'fortran_order': {order}, 'shape': {shape}, }}\n");
        let length = u16::try_from(dictionary.len()).unwrap().to_le_bytes();
        [b"\x93NUMPY\x01\x00", &length[..], dictionary.as_bytes(), values].concat()
    }

    #[test]
    fn what_was_found_instead_of_an_array_is_said() {
        let found = |kind: &str, order: &str, values: &[u8]| read(&array(kind, order, "(2, 1)", values)).unwrap_err();

        assert_eq!(
            found("<f4", "False", &[0; 7]),
            "1 values for the shape [2, 1]: the file is incomplete; write or copy it again"
        );
        assert_eq!(found("<i8", "False", &[0; 16]), "values of int64; astype(\"float32\") converts numbers");
        assert!(found("<c8", "False", &[0; 16]).starts_with("values of complex64;"));
        assert!(found("<U3", "False", &[0; 24]).starts_with("values of '<U3';"));
        assert!(found("<f4", "True", &[0; 8]).starts_with("values in Fortran order"));
        assert!(read(b"no array").unwrap_err().starts_with("no .npy file: "));
        let huge = array("<f8", "False", "(2147483648, 2147483648)", &[]);
        assert!(read(&huge).unwrap_err().starts_with("0 values for the shape"));
    }

    #[test]
    fn every_size_of_floats_is_read() {
        let of = |kind: &str, values: &[u8]| read(&array(kind, "False", "(2,)", values)).unwrap();
        let singles: Vec<u8> = [1.5f32, -2.0].iter().flat_map(|value| value.to_le_bytes()).collect();
        let doubles: Vec<u8> = [1.5f64, -2.0].iter().flat_map(|value| value.to_be_bytes()).collect();
        let halves: Vec<u8> = [1.5, -2.0].iter().flat_map(|value| f16::from_f32(*value).to_le_bytes()).collect();

        for (kind, bytes) in [("<f4", singles), (">f8", doubles), ("<f2", halves)] {
            assert_eq!(of(kind, &bytes), (vec![2], vec![1.5, -2.0]), "{kind}");
        }
    }

    #[test]
    fn what_is_written_is_read_back_by_another_crate() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        let mut writer = NpyWriter::create(&path, &[2, 1, 3]).unwrap();
        writer.write(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
        writer.write(&[7.0; 12]).unwrap();

        assert_eq!(writer.finish().unwrap(), 3);

        let array = npyz::NpyFile::new(File::open(&path).unwrap()).unwrap();
        assert_eq!(array.shape(), [3, 2, 1, 3]);
        let values: Vec<f32> = array.into_vec().unwrap();
        assert_eq!((values.len(), values[5], values[17]), (18, 6.0, 7.0));
    }
}
