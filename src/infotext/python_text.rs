//! Values written as Python's `str` writes them.

use serde_json::Value;

/// `str(value)` of a JSON value.
pub(super) fn of(value: &Value) -> String {
    match value {
        Value::Null => "None".to_string(),
        Value::Bool(true) => "True".to_string(),
        Value::Bool(false) => "False".to_string(),
        Value::Number(number) if number.is_f64() => float(number.as_f64().unwrap_or(f64::NAN)),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// `str(value)` of a float: the shortest digits that read back as the same number, with an exponent only outside
/// 1e-4 … 1e16.
///
/// ```
/// use lbw::infotext::float_text;
/// assert_eq!(float_text(1.0 - 0.7), "0.30000000000000004");
/// assert_eq!(float_text(7.0), "7.0");
/// assert_eq!(float_text(1e16), "1e+16");
/// ```
pub fn float(value: f64) -> String {
    if value.is_nan() {
        return "nan".to_string();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_string();
    }
    let scientific = format!("{value:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    match exponent.parse::<i32>() {
        Ok(-4..=15) | Err(_) => {
            let plain = value.to_string();
            if plain.contains('.') { plain } else { plain + ".0" }
        }
        Ok(exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.abs())
        }
    }
}
