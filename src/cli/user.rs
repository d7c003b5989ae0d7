//! The user's own configuration, which holds for every command.

use std::path::PathBuf;
use std::sync::OnceLock;

use crate::app::{Result, UserConfig};

/// Flags are asked for in many places, and the file is the same for all.
static CONFIG: OnceLock<UserConfig> = OnceLock::new();

/// Reads the file that `LBW_CONFIG` names, else the one in the platform's place if it is there.
pub fn read() -> Result<()> {
    let named = std::env::var_os("LBW_CONFIG").map(PathBuf::from);
    let path = match named {
        Some(named) => Some(named).filter(|path| !path.as_os_str().is_empty()),
        None => UserConfig::default_path().filter(|path| path.symlink_metadata().is_ok()),
    };
    if let Some(path) = path {
        let config = UserConfig::read(&path)?;
        CONFIG.get_or_init(|| config);
    }
    Ok(())
}

/// What it says.
pub fn config() -> &'static UserConfig {
    CONFIG.get_or_init(UserConfig::default)
}
