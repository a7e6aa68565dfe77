//! Arguments of the page.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::examples;

/// `serve`
#[derive(Debug, ClapArgs)]
#[command(after_help = examples::SERVE)]
pub struct ServeArgs {
    /// Folder of runs and sweeps [default: runs, which need not be there yet]
    #[arg(value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Port; 0 for any that is free
    #[arg(long, value_name = "P", default_value_t = 8431)]
    pub port: u16,
    /// Address of this machine to listen on. Only this machine reaches the default; whoever reaches another one sees all
    /// runs in DIR
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub host: String,
    /// Open the page in a browser
    #[arg(long)]
    pub open: bool,
}

/// `page`
#[derive(Debug, ClapArgs)]
#[command(after_help = examples::PAGE)]
pub struct PageArgs {
    /// Folder to write: a new one, an empty one, or an earlier page
    #[arg(short, long, value_name = "DIR")]
    pub output: PathBuf,
    /// Write into any folder; files of the page replace those of the same name, all others stay
    #[arg(long)]
    pub force: bool,
}
