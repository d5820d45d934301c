// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <source_location>
#include <string>
#include <string_view>

namespace moecal {

/// What a library said about a call of ours that failed.
struct LibraryStatus {
  std::string_view library;      // e.g. CUDA, cuBLASLt, NCCL
  std::string_view name;         // the status as the library's headers spell it
  std::string_view explanation;  // the library's own sentence; may be empty
};

/// "<what> failed: <library> said <name> (<explanation>) [file:line]".
[[nodiscard]] std::string failed_call_message(const LibraryStatus& status, std::string_view what,
                                              const std::source_location& where);
/// @throws Error with failed_call_message.
[[noreturn]] void throw_failed_call(const LibraryStatus& status, std::string_view what,
                                    const std::source_location& where);
/// The same on stderr, for destructors: they must not throw.
void report_failed_call(const LibraryStatus& status, std::string_view what) noexcept;

}  // namespace moecal
