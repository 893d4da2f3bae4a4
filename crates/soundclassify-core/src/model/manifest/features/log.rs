// SPDX-License-Identifier: MIT OR Apache-2.0
//! The keys of `[features]` for the logarithm.

use super::super::section::Section;
use crate::{error::Result, frontend::Log};

/// Which compression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LogKind {
    Db,
    Ln,
    Log10,
}

const LOGS: &[(&str, LogKind)] = &[("db", LogKind::Db), ("ln", LogKind::Ln), ("log10", LogKind::Log10)];

/// Compression of `logmel`.
pub(super) fn read(features: &Section<'_>, preset: Option<Log>) -> Result<Log> {
    let kind = features.choice("log", LOGS)?.or(preset.map(log_kind)).unwrap_or(LogKind::Db);
    let preset = preset.filter(|preset| log_kind(*preset) == kind);
    let amin = features.float("amin", f64::MIN_POSITIVE..=1.0)?;
    let top_db = features.float_or_none("top-db", 0.0..=1000.0)?;
    let offset = features.float("offset", f64::MIN_POSITIVE..=1000.0)?;
    let unfit = match kind {
        LogKind::Db => offset.map(|_| ("offset", "only with log = \"ln\" or \"log10\"")),
        _ if amin.is_some() => Some(("amin", "only with log = \"db\"")),
        _ => top_db.map(|_| ("top-db", "only with log = \"db\"")),
    };
    if let Some((key, expected)) = unfit {
        let name = LOGS.iter().find(|(_, known)| *known == kind).map_or("", |(name, _)| name);
        let origin = match (features.has("log"), features.has("preset")) {
            (true, _) => "",
            (false, true) => " of the preset",
            (false, false) => ", which it is without this key",
        };
        return Err(features.wrong(key, expected, format!("log = {name:?}{origin}")));
    }
    let (preset_amin, preset_top_db, preset_offset) = match preset {
        Some(Log::Db { amin, top_db }) => (amin, top_db, None),
        Some(Log::Ln { offset } | Log::Log10 { offset }) => (1e-10, None, Some(offset)),
        Some(Log::LnFloor { .. }) | None => (1e-10, None, None),
    };
    let offset = || match offset.or(preset_offset) {
        Some(offset) => Ok(offset),
        None => Err(features.missing("offset", "the number that is added before the logarithm")),
    };
    Ok(match kind {
        LogKind::Db => Log::Db { amin: amin.unwrap_or(preset_amin), top_db: top_db.unwrap_or(preset_top_db) },
        LogKind::Ln => Log::Ln { offset: offset()? },
        LogKind::Log10 => Log::Log10 { offset: offset()? },
    })
}

fn log_kind(log: Log) -> LogKind {
    match log {
        Log::Db { .. } => LogKind::Db,
        Log::Ln { .. } | Log::LnFloor { .. } => LogKind::Ln,
        Log::Log10 { .. } => LogKind::Log10,
    }
}
