//! Views of matrices in caller-owned slices.

use std::ops::Range;

/// A read-only matrix view; element (i, j) is `data[i * row_stride + j * col_stride]`.
#[derive(Clone, Copy, Debug)]
pub struct MatRef<'a, T> {
    pub(crate) data: &'a [T],
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    pub(crate) row_stride: usize,
    pub(crate) col_stride: usize,
}

impl<'a, T> MatRef<'a, T> {
    /// A dense row-major matrix `[rows, cols]`.
    ///
    /// # Panics
    /// If the slice is shorter than the view.
    pub fn new(data: &'a [T], rows: usize, cols: usize) -> Self {
        Self::with_row_stride(data, rows, cols, cols)
    }

    /// A row-major matrix `[rows, cols]` whose rows begin `row_stride` elements apart.
    ///
    /// # Panics
    /// If the slice is shorter than the view.
    pub fn with_row_stride(data: &'a [T], rows: usize, cols: usize, row_stride: usize) -> Self {
        assert!(span(rows, cols, row_stride) <= data.len(), "matrix view is longer than its slice");
        Self { data, rows, cols, row_stride, col_stride: 1 }
    }

    /// The rows as slices.
    ///
    /// # Panics
    /// If the view is transposed.
    pub fn dense_rows(self) -> impl Iterator<Item = &'a [T]> {
        assert_eq!(self.col_stride, 1, "rows of a transposed view are not slices");
        (0..self.rows).map(move |i| &self.data[i * self.row_stride..i * self.row_stride + self.cols])
    }

    /// Some of the columns.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn columns(self, range: Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= self.cols, "columns {range:?} of {}", self.cols);
        // An empty matrix may have an empty slice.
        let start = (range.start * self.col_stride).min(self.data.len());
        Self { data: &self.data[start..], cols: range.len(), ..self }
    }

    /// The transposed view, `[cols, rows]`.
    pub fn t(self) -> Self {
        Self { rows: self.cols, cols: self.rows, row_stride: self.col_stride, col_stride: self.row_stride, ..self }
    }
}

/// A writable row-major matrix view.
#[derive(Debug)]
pub struct MatMut<'a, T> {
    pub(crate) data: &'a mut [T],
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    pub(crate) row_stride: usize,
}

impl<'a, T> MatMut<'a, T> {
    /// A dense row-major matrix `[rows, cols]`.
    ///
    /// # Panics
    /// If the slice is shorter than the view.
    pub fn new(data: &'a mut [T], rows: usize, cols: usize) -> Self {
        Self::with_row_stride(data, rows, cols, cols)
    }

    /// A row-major matrix `[rows, cols]` whose rows begin `row_stride` elements apart.
    ///
    /// # Panics
    /// If the slice is shorter than the view, or rows would overlap.
    pub fn with_row_stride(data: &'a mut [T], rows: usize, cols: usize, row_stride: usize) -> Self {
        assert!(span(rows, cols, row_stride) <= data.len(), "matrix view is longer than its slice");
        assert!(row_stride >= cols || rows <= 1, "rows of a writable matrix overlap");
        Self { data, rows, cols, row_stride }
    }

    /// The same view for a shorter time.
    pub fn reborrow(&mut self) -> MatMut<'_, T> {
        MatMut { data: self.data, rows: self.rows, cols: self.cols, row_stride: self.row_stride }
    }
}

/// Elements from the first to the last of a row-major view.
fn span(rows: usize, cols: usize, row_stride: usize) -> usize {
    if rows == 0 || cols == 0 { 0 } else { (rows - 1) * row_stride + cols }
}
