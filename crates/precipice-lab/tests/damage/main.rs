//! Every file of finished and unfinished runs and of sweeps, damaged at random places: whatever reads it says so, or
//! comes to what the undamaged run comes to. Nothing panics, hangs, or silently says something else.

mod commands;
mod forged;
mod harm;
mod runs;
mod sweeps;
