//! Numbers for NumPy: vectors are handed over, not copied.

use numpy::ndarray::{ArrayD, IxDyn};
use numpy::{Element, IntoPyArray, PyReadonlyArrayDyn, PyUntypedArrayMethods};
use precipice_lab::store::tables::{Column, Table};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::error;

/// A vector as an array of this shape.
///
/// # Panics
/// If it has another number of elements.
pub(crate) fn array<'py, T: Element>(py: Python<'py>, values: Vec<T>, shape: &[usize]) -> Bound<'py, PyAny> {
    let array = ArrayD::from_shape_vec(IxDyn(shape), values).expect("as many values as the shape says");
    array.into_pyarray(py).into_any()
}

/// Whole numbers as int64, by which others index.
pub(crate) fn ints<'py>(py: Python<'py>, values: &[u32], shape: &[usize]) -> Bound<'py, PyAny> {
    array(py, values.iter().map(|&value| i64::from(value)).collect(), shape)
}

/// A table as a dict of columns: int64, bool, float64 with NaN where it is undefined, or objects that are str.
pub(crate) fn table<'py>(py: Python<'py>, table: Table) -> PyResult<Bound<'py, PyDict>> {
    let columns = PyDict::new(py);
    for (name, column) in table.columns {
        let values = match column {
            Column::Int(values) => values.into_pyarray(py).into_any(),
            Column::Bool(values) => values.into_pyarray(py).into_any(),
            Column::Real(values) => values.into_pyarray(py).into_any(),
            Column::Text(values) => {
                let (numpy, values) = (py.import("numpy")?, PyList::new(py, values)?);
                numpy.call_method1("array", (values, "object"))?
            }
        };
        columns.set_item(name, values)?;
    }
    Ok(columns)
}

/// The numbers of an array of this shape.
pub(crate) fn read<T: Element + Copy>(
    name: &str,
    array: &PyReadonlyArrayDyn<'_, T>,
    shape: &[usize],
) -> PyResult<Vec<T>> {
    let found = array.shape();
    if found != shape {
        return Err(error::value(name, format!("an array of shape {found:?}"), format!("must have shape {shape:?}")));
    }
    Ok(match array.as_slice() {
        Ok(values) => values.to_vec(),
        Err(_) => array.as_array().iter().copied().collect(),
    })
}
