// SPDX-License-Identifier: MIT OR Apache-2.0
//! NumPy's `.npy`: arrays whose first axis is unknown until the end, as values are appended and the shape is put in last; and arrays
//! of others (<https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>).

use std::{
    fs::File,
    io::{self, BufWriter, Seek, SeekFrom, Write},
    path::Path,
};

use half::f16;

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
        let axes: String = self.item.iter().map(|axis| format!(" {axis},")).collect();
        let shape = format!("({},{axes})", self.items());
        let dictionary = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
        let length = HEAD - 10;
        self.out.write_all(b"\x93NUMPY\x01\x00")?;
        self.out.write_all(&(length as u16).to_le_bytes())?;
        self.out.write_all(format!("{dictionary:<width$}\n", width = length - 1).as_bytes())
    }
}

/// The values' bytes, lowest first.
fn bytemuck_le(values: &[f32]) -> std::borrow::Cow<'_, [u8]> {
    if cfg!(target_endian = "little") {
        bytemuck::cast_slice(values).into()
    } else {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }
}

/// An array of float16, float32 or float64 in C order: its shape, and its values.
///
/// # Errors
/// What is expected in place of what was found.
pub(crate) fn read(bytes: &[u8]) -> Result<(Vec<usize>, Vec<f32>), String> {
    let reason = |error: io::Error| error.to_string();
    let open = || npyz::NpyFile::new(bytes).map_err(|error| format!("expected an .npy file: {error}"));
    let file = open()?;
    let shape = file.shape().iter().map(|axis| *axis as usize).collect();
    if file.order() != npyz::Order::C {
        return Err("expected values in C order, found Fortran's; numpy.ascontiguousarray changes it".into());
    }
    let values = open()?
        .into_vec::<f32>()
        .or_else(|_| Ok(open()?.into_vec::<f64>().map_err(reason)?.into_iter().map(|value| value as f32).collect()))
        .or_else(|_: String| Ok(open()?.into_vec::<f16>().map_err(reason)?.into_iter().map(f16::to_f32).collect()));
    let found = file.dtype().descr();
    values.map(|values| (shape, values)).map_err(|why: String| {
        format!("expected values of float16, float32 or float64, as many as the shape says, found {found}: {why}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
