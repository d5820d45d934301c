// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace moecal {

/// The element types moecal measures. Their names are the words in records, options and claims.
enum class Dtype { f32, f16, bf16, fp8_e4m3, fp8_e5m2, int8, int32, uint8 };

[[nodiscard]] std::string_view to_string(Dtype dtype);
/// @throws InvalidInput naming the known types.
[[nodiscard]] Dtype parse_dtype(std::string_view name);
/// Bytes per element.
[[nodiscard]] std::int64_t size_of(Dtype dtype);

}  // namespace moecal
