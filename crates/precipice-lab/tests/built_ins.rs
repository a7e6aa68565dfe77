//! Built-in specs: their addresses, and the forms that training computes.

use precipice::model::Description;
use precipice::model::plan::{FormKind, Plan};
use precipice_lab::input::items;
use precipice_lab::input::spec_file::{self, Changes};
use precipice_lab::runs::new_trainer;
use precipice_num::Kernels;

/// A run is found by the hash of its spec: a hash that changes loses every stored run.
const HASHES: [(&str, &str); 18] = [
    ("copying", "133e78f2b45cc35847b53ae2fa0154b8490c0504e292d2e0b79d7853978f9bcd"),
    ("copying-small", "9672592f2b96a150b7c39ff2792bb5da84fb74d4a349d4cabbc04440574b5779"),
    ("copying-no-curriculum", "946c0c43a44e55978894047f79dc096ec0270924d20e6fa37a78a575a1e45475"),
    ("minimal-head", "accb895680dfd7966441d4765605b5dd652863cd4c4aafbaab4d2928f3378ce4"),
    ("regression", "471663266ddb40ec322296ce776f27f8f176cf47392d84dce8a4b9978e34a7e0"),
    ("regression-two-layers", "6acd7b8555b614aac5cb3d2bf594e893d912be474c2fe236c42a62c3e3dda8c0"),
    ("regression-rank-one", "850455f800befe7812d9c7a599e7075436c038e69e32ecaf235137edbdfa46f5"),
    ("regression-stream", "7b79eb2d40d0f28be19343b2be1b8ef4df0ef92cb53c212667b9b1f1d11a1bf5"),
    ("regression-sine", "feb83c92fd2b98758717104c886b818fc32678b59d27691615f06da17be0bb04"),
    ("classification", "21706b2b6de4408db25a8c928b68472965ebd84d9585dd5a41e31b9afb6ff739"),
    ("classification-fast", "0838d4c49bcc88869ab20fcd518753911e15e213da2f09c46f5e847bbcc21d09"),
    ("classification-minimal", "bb478764cc76b90961754125999a79b922b366a9c3ca3449cf98a5c349939d88"),
    ("classification-han", "5345029a324f9d611891f486cb7f08c5c9d238ba76ba2acf1e207a1528936c62"),
    ("relation-marries", "25e62e9648c5d20b3f8520ac1cf7ee8b09e3f60f063a3fff2cfa8d33f604f3d3"),
    ("relation-order", "755ee0fbb6f5ea74bd9d3a51c9b4036df7969b4279031e0c6535e95152409e65"),
    ("relation-mixed", "2babf3d935b63222217de2bf7b4c366b869721d3259829247e4b67890497b12a"),
    ("han", "836cecce9063942e642a2566341221682c18b6ba13aab2a38ed63b7c4deb6be3"),
    ("han-small", "1348d53c8b1b02013acf8f672bab88e0325345e02a7f7f7246d54259b2bba952"),
];

#[test]
fn addresses_of_runs_are_stable() {
    assert_eq!(HASHES.len(), spec_file::BUILT_INS.len());
    for (name, hash) in HASHES {
        let mut spec = spec_file::load(name, &Changes::default()).unwrap();
        items::load(&mut spec).unwrap();
        assert_eq!(spec.hash(), hash, "{name}");
    }
}

/// The plan names what the engine computes, and counts its work.
#[test]
fn plans_name_the_form_that_is_computed() {
    for (name, _) in spec_file::BUILT_INS {
        let mut spec = spec_file::load(name, &Changes::default()).unwrap();
        let bank = items::load(&mut spec).unwrap();
        let network = Description::of(&spec);
        let plan = Plan::of(&network, spec.train.batch_size);
        let trainer = new_trainer(&spec, bank, Kernels::detect()).unwrap();
        assert_eq!(trainer.form(), plan.form, "{name}");
        let expected = match name {
            "minimal-head" | "classification-minimal" => FormKind::Minimal,
            "regression" | "regression-rank-one" => FormKind::OneLayer,
            "regression-two-layers" | "regression-stream" | "regression-sine" => FormKind::Plain,
            _ => plan.form,
        };
        assert_eq!(plan.form, expected, "{name}");
        assert!(plan.flops > 0.0 && plan.flops <= plan.plain_flops, "{name}: {plan:?}");
        assert!(
            plan.form == FormKind::Plain || plan.form == FormKind::Minimal || plan.flops < plan.plain_flops,
            "{name}"
        );
    }
}
