//! What is not part of the specs, and is not the same.

use serde::Serialize;

use super::states::States;
use crate::error::LabError;
use crate::runs::StoredRun;
use crate::store::Manifest;

/// Something that is not part of a spec and is not the same for two runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outside {
    /// `arithmetic`, `version`, `simd`, `cpu`, `cores`, `os` or `threads`.
    pub what: String,
    /// For the first run; none where it is not known, as of runs that are not finished.
    pub a: Option<String>,
    /// For the second.
    pub b: Option<String>,
    /// Whether other bits may come of it: of another arithmetic or version of the program.
    pub may_change_bits: bool,
}

/// What of that differs. Of runs that are not finished the arithmetic is known by their states.
pub(super) fn outside([a, b]: [&StoredRun; 2], states: &States<'_>) -> Result<Vec<Outside>, LabError> {
    let manifests = [a.run_dir.manifest(&a.spec)?, b.run_dir.manifest(&b.spec)?];
    let arithmetics = [states.arithmetic(0)?, states.arithmetic(1)?];
    let of = |what: &str, i: usize| {
        let manifest = manifests[i].as_ref();
        let known = manifest.map(|manifest| told(manifest, what));
        if what == "arithmetic" { known.or_else(|| arithmetics[i].clone()) } else { known }
    };
    let all = ["arithmetic", "version", "simd", "cpu", "cores", "os", "threads"];
    let outside = |what: &str| Outside {
        what: what.to_owned(),
        a: of(what, 0),
        b: of(what, 1),
        may_change_bits: matches!(what, "arithmetic" | "version"),
    };
    // Of what is not known of one run nothing can be said.
    let differs = |one: &Outside| one.a.is_some() && one.b.is_some() && one.a != one.b;
    Ok(all.into_iter().map(outside).filter(differs).collect())
}

fn told(manifest: &Manifest, what: &str) -> String {
    match what {
        "arithmetic" => manifest.arithmetic.clone(),
        "version" => manifest.version.clone(),
        "simd" => manifest.simd.clone(),
        "threads" => manifest.threads.to_string(),
        of_machine => manifest.machine.get(of_machine).cloned().unwrap_or_default(),
    }
}
