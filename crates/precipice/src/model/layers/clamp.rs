//! Heads that look where they are told to.

use crate::sequence::Geometry;
use crate::spec::ClampPattern;

/// The tokens that a clamped head looks at, evenly; None where its scores decide. `slots` are the exemplars that answer.
pub(in crate::model) fn clamped_keys(
    clamp: Option<ClampPattern>,
    geometry: &Geometry,
    query: usize,
    slots: impl Iterator<Item = usize>,
) -> Option<Vec<usize>> {
    match clamp? {
        ClampPattern::PreviousToken => Some(vec![query.saturating_sub(1)]),
        ClampPattern::Match => {
            let is_last = query == geometry.query_token();
            let keys: Vec<usize> = slots.filter(|_| is_last).map(|slot| geometry.label_token(slot)).collect();
            (!keys.is_empty()).then_some(keys)
        }
    }
}
