//! `bundle MODULE.wasm FOLDER NAME`: NAME_bg.wasm and NAME.js, an ES module, in FOLDER.

use anyhow::{Context, bail};
use wasm_bindgen_cli_support::Bindgen;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [module, folder, name] = &arguments[..] else { bail!("usage: bundle MODULE.wasm FOLDER NAME") };
    let mut bindgen = Bindgen::new();
    // The page says where the module is: which of two is chosen when it runs.
    bindgen.input_path(module).out_name(name).web(true)?.omit_default_module_path(true).typescript(true);
    bindgen.generate(folder).with_context(|| format!("cannot bundle {module}"))
}
