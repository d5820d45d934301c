// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "core/work.hpp"

/// What the nccl-tests family means by its words, in moecal's.
namespace moecal::interchange {

/// "alltoall", "all-to-all", "AllToAll" -> all_to_all. Empty if it is no collective of moecal's.
[[nodiscard]] std::string collective_word(std::string_view foreign);

/// The one collective a file name holds: all_reduce of "b200-allreduce.txt". Empty if it holds none
/// or several.
[[nodiscard]] std::string collective_named_in(const std::string& file_name);

/// "float" -> f32, "half" -> f16. Nothing if moecal has no word for the type.
[[nodiscard]] std::optional<std::string> dtype_word(std::string_view nccl_type);

/// "fp32" -> f32, "bf16" -> bf16: the short words of vendors' tools. Nothing if moecal has no word.
[[nodiscard]] std::optional<std::string> short_dtype_word(std::string_view word);

/// True for every type name nccl-tests prints, also those moecal has no word for.
[[nodiscard]] bool is_nccl_type(std::string_view word);

/// What one rank sends, by the operation's bus factor.
[[nodiscard]] Work collective_work(std::string_view operation, Bytes bytes, int ranks);

}  // namespace moecal::interchange
