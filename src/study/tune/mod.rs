//! From a wish to weights: what should change, how near a vector comes to it, which vectors to try with few pictures, and how sure the
//! result is on pictures that it was not made from. Whoever calls draws the pictures.

mod goal;
mod look;
mod page;
mod report;
mod score;
mod search;
mod verified;
mod words;

pub use goal::{Attribute, Bound, Goals, Target, Wanted};
pub use look::{Beside, Look, Seen, distance};
pub use report::{Block, Report, Shown, Strength, Tried, Variant};
pub use score::{Reading, Scale, Score, least};
pub use search::{Alone, Found, Room, TRIALS, Thirds, Trial, Weights, search};
pub use verified::{Interval, Measured as Verified, interval};
