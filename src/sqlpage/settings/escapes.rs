//! What a backslash stands for in double quotes, where TOML and YAML agree.
//!
//! Owns that table, which the readers of both use.

/// The character, and how many bytes it takes.
pub(super) fn escaped(text: &str) -> Option<(char, usize)> {
    let mut characters = text.chars();
    let digits = match (characters.next()?, characters.next()?) {
        ('\\', c @ ('"' | '\\')) => return Some((c, 2)),
        ('\\', 'n') => return Some(('\n', 2)),
        ('\\', 't') => return Some(('\t', 2)),
        ('\\', 'r') => return Some(('\r', 2)),
        ('\\', 'x') => 2,
        ('\\', 'u') => 4,
        ('\\', 'U') => 8,
        _ => return None,
    };
    let hex = text.get(2..2 + digits)?;
    if !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let c = char::from_u32(u32::from_str_radix(hex, 16).ok()?)?;
    Some((c, 2 + digits))
}
