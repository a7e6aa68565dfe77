//! What is said of runs and of the theory, as data: beside gradient descent, beside the formula, and
//! the formula's landscape.

pub mod landscape;
pub mod regression;
pub mod theory;
