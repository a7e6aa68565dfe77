use precipice::{record::*, run::*, spec::*, train::Trainer, workers::Sequential};
struct P(std::time::Instant);
impl Recorder for P {
    fn row(&mut self, r: &Row) -> Result<(), RecordError> {
        println!(
            "{} {:.1}s loss {:.4} acc {:.3} cla {:.3} ila {:.3} tila {:.3} tla {:.3} b {:.2} a {:.2} xi {:.2}±{:.2} pred {:.3} | {:?}",
            r.step,
            self.0.elapsed().as_secs_f64(),
            r.get("loss"),
            r.get("accuracy"),
            r.get("context_label_accuracy"),
            r.get("ila1"),
            r.get("tila2"),
            r.get("tla2"),
            r.get("beta"),
            r.get("alpha"),
            r.get("xi"),
            r.get("xi_se"),
            r.get("predicted_loss"),
            r.columns
                .iter()
                .filter(|c| c.0.ends_with("contrast"))
                .map(|c| (c.1 * 100.0).round() / 100.0)
                .collect::<Vec<_>>()
        );
        Ok(())
    }
    fn checkpoint(&mut self, _: &Trainer) -> Result<(), RecordError> {
        Ok(())
    }
}
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let mut s = RunSpec { name: "x".into(), ..Default::default() };
    if a[1] == "small" {
        s.task = TaskSpec::Copying(CopyingSpec { n_exemplars: 4, n_labels: 16, d_item: 32, items: None });
        s.model.d_buffer = 0;
        s.train.optimizer = OptimizerSpec::Sgd(SgdSpec { learning_rate: 0.3, momentum: 0.0, decay: 0.0 });
        s.train.steps = 1500;
    }
    s.seeds = Seeds::all(a[2].parse().unwrap());
    let mut p = P(std::time::Instant::now());
    let (st, o) = run(
        &s,
        Inputs { items: None, start: None, workers: &Sequential, kernels: precipice_num::Kernels::detect() },
        &mut p,
    )
    .unwrap();
    println!("{o:?} {}", st.params.digest());
}
