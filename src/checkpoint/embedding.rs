//! The tensors of a textual-inversion embedding, by the names that programs give them.

/// The vectors among tensors called `names`, one tensor for each text encoder, in the encoders' order: both of SDXL, as webui
/// and kohya call them or as diffusers' pivotal tuning does; else the one of webui's own format; else the only tensor there is.
pub(crate) fn vectors<'n>(names: &[&'n str]) -> Option<Vec<&'n str>> {
    const PAIRS: [[&str; 2]; 2] = [["clip_l", "clip_g"], ["text_encoders_0", "text_encoders_1"]];
    const WEBUI: &str = "string_to_param.";
    let named = |wanted: &str| names.iter().find(|name| **name == wanted).copied();
    if let Some(pair) = PAIRS.iter().find_map(|pair| pair.iter().map(|name| named(name)).collect()) {
        return Some(pair);
    }
    let of_webui: Vec<&str> = names.iter().filter(|name| name.starts_with(WEBUI)).copied().collect();
    let candidates = if of_webui.is_empty() { names } else { &of_webui };
    match candidates {
        [only] => Some(vec![only]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::vectors;

    #[test]
    fn one_tensor_for_each_encoder() {
        assert_eq!(vectors(&["clip_g", "clip_l", "step"]), Some(vec!["clip_l", "clip_g"]));
        assert_eq!(vectors(&["string_to_param.*", "string_to_token.*"]), Some(vec!["string_to_param.*"]));
        assert_eq!(vectors(&["emb_params"]), Some(vec!["emb_params"]));
        assert_eq!(vectors(&["string_to_param.*", "string_to_param.b"]), None);
        assert_eq!(vectors(&["a", "b"]), None);
        assert_eq!(vectors(&[]), None);
    }
}
