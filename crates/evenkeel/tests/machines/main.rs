//! The public status for machines, as machines see it: through the public listener's router.

mod banner;
mod hotline;
mod programs;
mod properties;
mod scene;
mod served;
