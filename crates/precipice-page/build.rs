//! The page is embedded again when a file of it comes or goes.

fn main() {
    println!("cargo::rerun-if-changed=../../page/dist");
}
