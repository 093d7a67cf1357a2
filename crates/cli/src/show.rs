//! What people and programs get to see: text, JSON, pages, progress.

pub(crate) mod answer;
pub(crate) mod html;
pub(crate) mod output;
pub(crate) mod progress;
pub(crate) mod tags;
