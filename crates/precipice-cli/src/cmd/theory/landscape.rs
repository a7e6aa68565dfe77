//! `precipice theory landscape`: the surface over two parameters, with the flow on it.

use std::fmt::Write;
use std::path::PathBuf;

use anyhow::bail;
use precipice::theory::{Parameter, Point, Third};
use precipice_lab::reports::landscape::{Landscape, Request};
use precipice_lab::reports::surface::SurfaceReport;

use super::{context_of, point_of};
use crate::args::LandscapeArgs;
use crate::output::{check_place, is_stdout, put_figure, say, say_json};
use crate::progress::Working;

pub fn landscape(args: &LandscapeArgs) -> anyhow::Result<()> {
    let path = args.output.clone().unwrap_or_else(|| PathBuf::from("landscape.svg"));
    if !args.json && !args.rows {
        check_place(&path)?;
    }
    let working = Working::on("the surface", false);
    let landscape = Landscape::new(request_of(args)?, working.meter())?;
    drop(working);
    if args.json {
        return say_json(&SurfaceReport::from(&landscape));
    }
    if args.rows {
        return say(&rows(&landscape));
    }
    let title = format!("The loss landscape · N = {}, L = {}", args.context.n, args.context.labels);
    let drawing = Working::on("drawing", false);
    put_figure(&path, &landscape.figure(&title)?.in_theme(args.page.theme), args.force)?;
    drop(drawing);
    if is_stdout(&path) {
        return Ok(());
    }
    let mut lines = vec![match landscape.t50 {
        Some(t50) => format!("the flow falls over the cliff at t = {t50:.6} (p(correct) = 1/2)"),
        None => "the flow does not reach p(correct) = 1/2".to_owned(),
    }];
    if let Some(edge) = landscape.edge {
        lines.push(format!("edge of the cliff: {}, t = {:.6}", words(edge.point), edge.t));
    }
    if let Some(saddle) = landscape.saddle {
        lines.push(format!("saddle: {}", words(saddle)));
    }
    lines.push(path.display().to_string());
    say(&lines.join("\n"))
}

fn request_of(args: &LandscapeArgs) -> anyhow::Result<Request> {
    let (x, y) = (Parameter::from(args.x), Parameter::from(args.y));
    let start = point_of("--start", &args.start)?;
    let third = match (args.fix, args.minimize) {
        (Some((name, value)), _) => {
            let name = Parameter::from(name);
            if name == x || name == y {
                bail!("--fix {}: it is an axis; fix the parameter that is none", name.name());
            }
            Third::Fixed(value)
        }
        (None, Some((low, high))) => Third::Minimized(low, high),
        (None, None) => Third::OnFlow(start),
    };
    Ok(Request {
        context: context_of(&args.context)?,
        x: (x, args.x_range),
        y: (y, args.y_range),
        third,
        start,
        grid: args.grid,
    })
}

fn words([beta, alpha, xi]: Point) -> String {
    format!("beta {beta:.6}, alpha {alpha:.6}, xi {xi:.6}")
}

/// One row a grid point: the two axes, the third parameter, the loss, the velocity.
fn rows(landscape: &Landscape) -> String {
    let Request { x: (x, _), y: (y, _), .. } = landscape.request;
    let (x, y, other) = (x.name(), y.name(), landscape.plane.other());
    let mut text = format!("{x},{y},{},loss,velocity_{x},velocity_{y}\n", other.name());
    for (i, &a) in landscape.surface.x.iter().enumerate() {
        for (j, &b) in landscape.surface.y.iter().enumerate() {
            let third = landscape.plane.point(a, b)[other as usize];
            let loss = landscape.surface.loss[i * landscape.surface.y.len() + j];
            let [dx, dy] = landscape.plane.velocity(a, b);
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{a},{b},{third},{loss},{dx},{dy}");
        }
    }
    text
}
