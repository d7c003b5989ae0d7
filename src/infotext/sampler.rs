//! Samplers and schedules as infotext names them.

use crate::plan::{Sampler, ScheduleType};

/// Sampler and schedule type as webui resolves `Sampler` and `Schedule type`.
///
/// A schedule at the end of the sampler's name (`DPM++ 2M Karras`, as webui before 1.9 wrote it) beats the field. An
/// unknown sampler is DPM++ 2M. A schedule that is the sampler's own is Automatic.
pub fn resolve_sampler(sampler: Option<&str>, schedule_type: Option<&str>) -> (Sampler, ScheduleType) {
    let (sampler, schedule) = split_schedule(sampler.unwrap_or(Sampler::ALL[0].label()), schedule_type);
    let sampler = Sampler::ALL.into_iter().find(|s| s.label() == sampler).unwrap_or(Sampler::ALL[0]);
    let own = sampler.default_schedule() == Some(schedule);
    (sampler, if own { ScheduleType::Automatic } else { schedule })
}

/// Like [`resolve_sampler`] for the hires pass; `None` where it is the first pass's.
pub fn resolve_hires_sampler(
    sampler: Option<&str>,
    schedule_type: Option<&str>,
    hires_sampler: Option<&str>,
    hires_schedule_type: Option<&str>,
) -> (Option<Sampler>, Option<ScheduleType>) {
    let used = hires_sampler.filter(|name| *name != "Use same sampler").or(sampler);
    let used_schedule = hires_schedule_type.filter(|name| *name != "Use same scheduler").or(schedule_type);
    let (resolved, resolved_schedule) = resolve_sampler(used, used_schedule);
    (
        Some(resolved).filter(|s| Some(s.label()) != sampler),
        Some(resolved_schedule).filter(|s| Some(s.label()) != schedule_type),
    )
}

/// The sampler's name without the schedules at its end, and the schedule that remains.
pub(super) fn split_schedule<'n>(name: &'n str, schedule_type: Option<&str>) -> (&'n str, ScheduleType) {
    let named = |schedule: &ScheduleType| schedule.names().take(2).any(|n| Some(n) == schedule_type);
    let mut schedule = ScheduleType::ALL.into_iter().find(named).unwrap_or(ScheduleType::Automatic);
    let mut name = name;
    for candidate in ScheduleType::ALL {
        let without = |suffix| name.strip_suffix(suffix)?.strip_suffix(' ');
        if let Some(rest) = candidate.names().find_map(without) {
            (name, schedule) = (rest, candidate);
        }
    }
    (name, schedule)
}
