//! Names and values as one object.

use serde::{Serialize, Serializer};

/// Pairs as an object whose keys keep their order.
pub(super) fn in_order<S: Serializer, K: Serialize, V: Serialize>(
    pairs: &[(K, V)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(key, value)| (key, value)))
}
