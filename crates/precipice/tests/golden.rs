//! Loss, logits, attention, every gradient and ten training steps against PyTorch.
//!
//! The values are made by `scripts/golden.py`; PyTorch is not needed to run these tests.

use precipice::model::{Model, Params, Reads};
use precipice::sequence::Batch;
use precipice::spec::*;
use precipice::train::{OptimizerState, Past, loss, update};
use precipice::workers::Sequential;
use precipice_num::{Kernels, Real};
use safetensors::SafeTensors;
use serde_json::Value;

struct Golden {
    config: Value,
    bytes: Vec<u8>,
}

impl Golden {
    fn open(case: &str) -> Self {
        let path = format!("{}/tests/golden/{case}.safetensors", env!("CARGO_MANIFEST_DIR"));
        let bytes = std::fs::read(path).unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let config = serde_json::from_str(&header.metadata().as_ref().unwrap()["config"]).unwrap();
        Self { config, bytes }
    }

    fn floats(&self, name: &str) -> Vec<f64> {
        let tensors = SafeTensors::deserialize(&self.bytes).unwrap();
        let tensor = tensors.tensor(name).unwrap_or_else(|_| panic!("no tensor {name}"));
        assert_eq!(tensor.dtype(), safetensors::Dtype::F64, "{name}");
        tensor.data().chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect()
    }

    fn ints(&self, name: &str) -> Vec<u32> {
        let tensors = SafeTensors::deserialize(&self.bytes).unwrap();
        let data = tensors.tensor(name).unwrap().data().to_vec();
        data.chunks_exact(4).map(|b| i32::from_le_bytes(b.try_into().unwrap()) as u32).collect()
    }

    fn params<T: Real>(&self, prefix: &str, model: &Model<T>) -> Params<T> {
        let mut params = Params::zeros(model.layout().clone());
        for tensor in model.layout().tensors() {
            let values = self.floats(&format!("{prefix}.{}", tensor.name));
            let out = &mut params.values[tensor.range.clone()];
            assert_eq!(values.len(), out.len(), "{}", tensor.name);
            out.iter_mut().zip(values).for_each(|(x, y)| *x = T::from_f64(y));
        }
        params
    }

    fn batch(&self, index: usize, spec: &RunSpec) -> Batch {
        let facts = spec.facts();
        let (s, n, d) = (spec.train.batch_size, facts.n_exemplars(), facts.d_item);
        let part = |values: Vec<u32>, len: usize| values[index * len..(index + 1) * len].to_vec();
        let mut batch = Batch::new(s, facts.geometry, facts.targets, d);
        batch.n_sequences = s;
        let items = self.floats("items");
        let width = s * (n + 1) * d;
        batch.items = items[index * width..(index + 1) * width].iter().map(|&x| x as f32).collect();
        batch.label_ids = part(self.ints("label_ids"), s * n);
        batch.offsets = part(self.ints("offsets"), s);
        batch.answers = part(self.ints("answers"), s);
        batch
    }

    fn spec(&self) -> RunSpec {
        let (task, model, train) = (&self.config["task"], &self.config["model"], &self.config["train"]);
        let int = |v: &Value| v.as_u64().unwrap_or_else(|| panic!("{v} is no count")) as usize;
        let float = |v: &Value| v.as_f64().unwrap();
        let optimizer = &train["optimizer"];
        let learning_rate = float(&optimizer["learning_rate"]);
        let decay = float(&optimizer["decay"]);
        let readout = &model["readout"];
        RunSpec {
            name: "golden".to_owned(),
            task: TaskSpec::Copying(CopyingSpec {
                n_exemplars: int(&task["n_exemplars"]),
                n_labels: int(&task["n_labels"]),
                d_item: int(&task["d_item"]),
                items: None,
            }),
            model: ModelSpec {
                positions: match model["positions"].as_str().unwrap() {
                    "one_hot" => Positions::OneHot,
                    "learned" => Positions::Learned,
                    _ => Positions::Sinusoidal,
                },
                d_pos: Some(int(&model["d_pos"])),
                n_positions: Some(int(&model["n_positions"])),
                d_buffer: int(&model["d_buffer"]),
                n_layers: int(&model["n_layers"]),
                n_heads: int(&model["n_heads"]),
                d_head: Some(int(&model["d_head"])),
                scale_scores: model["scale_scores"].as_bool().unwrap(),
                output_projection: model["output_projection"].as_bool().unwrap(),
                layer_norm: model["layer_norm"].as_bool().unwrap(),
                d_mlp: if model["mlp"].is_null() { 0 } else { int(&model["mlp"]["d_mlp"]) },
                activation: if model["mlp"]["activation"] == "gelu" { Activation::Gelu } else { Activation::Relu },
                readout: if readout["kind"] == "mlp" { Readout::Mlp } else { Readout::Linear },
                readout_layers: readout["n_hidden"].as_u64().unwrap_or(1) as usize,
                readout_width: readout["width"].as_u64().unwrap_or(1) as usize,
                ..ModelSpec::default()
            },
            train: TrainSpec {
                steps: train["steps"].as_u64().unwrap(),
                batch_size: int(&train["batch_size"]),
                optimizer: if optimizer["kind"] == "adam" {
                    OptimizerSpec::Adam(AdamSpec {
                        learning_rate,
                        adam_beta1: float(&optimizer["adam_beta1"]),
                        adam_beta2: float(&optimizer["adam_beta2"]),
                        epsilon: float(&optimizer["adam_eps"]),
                        decay,
                    })
                } else {
                    OptimizerSpec::Sgd(SgdSpec { learning_rate, momentum: float(&optimizer["momentum"]), decay })
                },
                schedule: ScheduleSpec {
                    warmup_steps: train["warmup_steps"].as_u64().unwrap(),
                    shape: if train["cosine"] == true { ScheduleShape::Cosine } else { ScheduleShape::Constant },
                    final_fraction: train["final_fraction"].as_f64().unwrap_or(0.0),
                },
                clip_norm: train["clip_norm"].as_f64(),
                ..TrainSpec::default()
            },
            ..RunSpec::default()
        }
    }
}

fn close<T: Real>(got: &[T], want: &[f64], tolerance: f64, what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!((g.to_f64() - w).abs() <= tolerance * (1.0 + w.abs()), "{what}[{i}]: {g:?}, PyTorch has {w}");
    }
}

fn model_of<T: Real>(golden: &Golden, spec: &RunSpec) -> Model<T> {
    spec.validate().unwrap();
    let table: Vec<f32> = golden.floats("label_table").iter().map(|&x| x as f32).collect();
    Model::new(spec, &table, Kernels::detect())
}

fn check<T: Real>(case: &str, reads: Reads, tolerance: f64) {
    let golden = Golden::open(case);
    let spec = golden.spec();
    let model = model_of::<T>(&golden, &spec);
    let mut params = golden.params("init", &model);
    let mut trace = model.trace(spec.train.batch_size, reads);
    let mut grads = Params::zeros(model.layout().clone());
    let mut optimizer = OptimizerState::new(&spec.train.optimizer, &params);
    let past = Past::none(model.layout());
    let scale = 1.0 / spec.train.batch_size as f64;
    let losses = golden.floats("losses");
    for step in 0..10 {
        let batch = golden.batch(step, &spec);
        model.forward(&params, &batch, &mut trace);
        let (logits, d_logits) = trace.logits_and_gradient();
        let loss = scale * loss::cross_entropy_gradient(model.kernels(), logits, &batch.answers, scale, d_logits);
        grads.values.fill(T::ZERO);
        model.backward(&params, &batch, &mut trace, &mut grads.values);
        if step == 0 {
            close(trace.logits(), &golden.floats("logits"), tolerance, "logits");
            let want = golden.params::<f64>("grad", &model_of(&golden, &spec));
            for tensor in model.layout().tensors() {
                let range = tensor.range.clone();
                close(&grads.values[range.clone()], &want.values[range], tolerance, &tensor.name);
            }
            if reads == Reads::All {
                for (idx, block) in trace.blocks.iter().enumerate() {
                    close(&block.attention.pattern, &golden.floats(&format!("pattern.{idx}")), tolerance, "pattern");
                }
            }
        }
        close(&[T::from_f64(loss)], &losses[step..=step], tolerance, "loss");
        let rule = (&spec.train, &past);
        update(&Sequential, model.kernels(), rule, step as u64, &mut params, &mut grads, &mut optimizer);
    }
    let want = golden.params::<f64>("final", &model_of(&golden, &spec));
    close(&params.values, &want.values, tolerance, "final parameters");
}

macro_rules! cases {
    ($($name:ident = $case:literal),*) => {$(
        #[test]
        fn $name() {
            for reads in [Reads::All, Reads::QueryOnly] {
                check::<f64>($case, reads, 1e-12);
                check::<f32>($case, reads, 5e-6);
            }
        }
    )*};
}
cases!(page_linear = "page-linear", page_mlp = "page-mlp", everything = "everything", sinusoidal = "sinusoidal");
