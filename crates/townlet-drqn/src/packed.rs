//! Long rows of numbers as one block of bytes in a file, bit for bit.

/// 32-bit floats, little-endian.
pub(crate) mod floats {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use serde_bytes::{ByteBuf, Bytes};

    pub(crate) fn serialize<S: Serializer>(
        values: &impl AsRef<[f32]>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let bytes: Vec<u8> = values.as_ref().iter().flat_map(|value| value.to_le_bytes()).collect();
        Bytes::new(&bytes).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>, T: From<Vec<f32>>>(
        deserializer: D,
    ) -> Result<T, D::Error> {
        let bytes = ByteBuf::deserialize(deserializer)?;
        let (chunks, rest) = bytes.as_chunks::<4>();
        if !rest.is_empty() {
            return Err(D::Error::invalid_length(bytes.len(), &"four bytes for each number"));
        }
        Ok(chunks.iter().map(|&chunk| f32::from_le_bytes(chunk)).collect::<Vec<f32>>().into())
    }
}

/// One byte each.
pub(crate) mod bools {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use serde_bytes::{ByteBuf, Bytes};

    pub(crate) fn serialize<S: Serializer>(
        values: &impl AsRef<[bool]>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let bytes: Vec<u8> = values.as_ref().iter().map(|&value| u8::from(value)).collect();
        Bytes::new(&bytes).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>, T: From<Vec<bool>>>(
        deserializer: D,
    ) -> Result<T, D::Error> {
        let bytes = ByteBuf::deserialize(deserializer)?;
        Ok(bytes.iter().map(|&byte| byte != 0).collect::<Vec<bool>>().into())
    }
}
