use crate::number::NumberType;

/// What a pickle may make. Texts and containers are held elsewhere, so that a value is small and copying one cannot
/// grow anything.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value {
    /// `None`, a fraction or a whole number of more than 64 bits: nothing here has a use for them.
    Other,
    Bool(bool),
    Whole(i64),
    /// First byte and number of bytes in the pickle.
    Text(usize, usize),
    /// Place among the containers.
    Tuple(usize),
    /// Place among the containers.
    List(usize),
    /// Place among the containers, which has keys and values in turn.
    Dict(usize),
    Global(Global),
    /// Place among the storages.
    Storage(usize),
    /// Place among the tensors.
    Tensor(usize),
}

/// The functions and classes that saved tensors need. Each is only a name for what this program does itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Global {
    OrderedDict,
    /// `_rebuild_tensor_v2`, and `_rebuild_tensor` of the first versions.
    RebuildTensor,
    RebuildParameter,
    Storage(NumberType),
}

impl Global {
    /// The one of this name; `None` for everything else in the world.
    pub(super) fn find(module: &str, name: &str) -> Option<Self> {
        match (module, name) {
            ("collections", "OrderedDict") => Some(Self::OrderedDict),
            ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Some(Self::RebuildTensor),
            ("torch._utils", "_rebuild_parameter") => Some(Self::RebuildParameter),
            ("torch", class) => NumberType::of_storage(class).map(Self::Storage),
            _ => None,
        }
    }

    /// What errors call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::OrderedDict => "collections.OrderedDict",
            Self::RebuildTensor => "torch._utils._rebuild_tensor",
            Self::RebuildParameter => "torch._utils._rebuild_parameter",
            Self::Storage(_) => "a torch storage",
        }
    }
}

/// Values that tensors share, as the pickle names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NamedStorage {
    pub(super) key: String,
    pub(super) number: NumberType,
    /// Numbers in it.
    pub(super) count: u64,
}

/// A tensor as the pickle describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NamedTensor {
    /// Place among the storages.
    pub(super) storage: usize,
    /// Its first number in the storage.
    pub(super) offset: u64,
    pub(super) shape: Vec<u64>,
    /// Numbers of the storage from one place to the next, by axis.
    pub(super) strides: Vec<u64>,
}
