//! The names that a pickle may ask for.

use safetensors::tensor::Dtype;

/// What a pickle may ask for by name.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in super::super) enum Global {
    /// `torch.FloatStorage` and its like, of numbers of this type; `None` for bytes without a type.
    Storage(Option<Dtype>),
    /// `torch.float16` and its like.
    Type(Dtype),
    RebuildTensor,
    RebuildTypedTensor,
    RebuildParameter,
    Size,
    Dict,
    /// A class whose attributes are all that counts.
    Object,
    /// What is of no use here: sets, devices, numpy's scalars.
    Ignored,
}

/// The names that files of tensors ask for; the same that webui's own check lets through, and torch's newer ones.
pub(super) fn known(module: &str, name: &str) -> Option<Global> {
    Some(match (module, name) {
        ("torch._utils", "_rebuild_tensor_v2" | "_rebuild_tensor") => Global::RebuildTensor,
        ("torch._utils", "_rebuild_tensor_v3") => Global::RebuildTypedTensor,
        ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => Global::RebuildParameter,
        ("torch", "Size") => Global::Size,
        ("collections", "OrderedDict" | "defaultdict") => Global::Dict,
        ("torch.nn.modules.container", "ParameterDict") => Global::Object,
        ("pytorch_lightning.callbacks" | "pytorch_lightning.callbacks.model_checkpoint", "ModelCheckpoint")
        | ("pytorch_lightning.callbacks", "model_checkpoint")
        | ("__builtin__" | "builtins", "set")
        | ("torch", "device")
        | ("numpy", "dtype" | "ndarray")
        | ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar" | "_reconstruct")
        | ("_codecs", "encode") => Global::Ignored,
        ("numpy.dtypes", name) if name.ends_with("DType") => Global::Ignored,
        ("torch.storage", "UntypedStorage" | "_UntypedStorage") | ("torch", "UntypedStorage") => Global::Storage(None),
        ("torch" | "torch.cuda", _) => match name.strip_suffix("Storage") {
            Some(kind) => Global::Storage(Some(storage_type(kind)?)),
            None => Global::Type(named_type(name)?),
        },
        _ => return None,
    })
}

fn storage_type(name: &str) -> Option<Dtype> {
    Some(match name {
        "Float" => Dtype::F32,
        "Half" => Dtype::F16,
        "BFloat16" => Dtype::BF16,
        "Double" => Dtype::F64,
        "Long" => Dtype::I64,
        "Int" => Dtype::I32,
        "Short" => Dtype::I16,
        "Char" => Dtype::I8,
        "Byte" => Dtype::U8,
        "Bool" => Dtype::BOOL,
        _ => return None,
    })
}

fn named_type(name: &str) -> Option<Dtype> {
    Some(match name {
        "float32" | "float" => Dtype::F32,
        "float16" | "half" => Dtype::F16,
        "bfloat16" => Dtype::BF16,
        "float64" | "double" => Dtype::F64,
        "int64" => Dtype::I64,
        "int32" => Dtype::I32,
        "int16" => Dtype::I16,
        "int8" => Dtype::I8,
        "uint8" => Dtype::U8,
        "uint16" => Dtype::U16,
        "uint32" => Dtype::U32,
        "uint64" => Dtype::U64,
        "bool" => Dtype::BOOL,
        "float8_e4m3fn" => Dtype::F8_E4M3,
        "float8_e5m2" => Dtype::F8_E5M2,
        "float8_e4m3fnuz" => Dtype::F8_E4M3FNUZ,
        "float8_e5m2fnuz" => Dtype::F8_E5M2FNUZ,
        _ => return None,
    })
}
