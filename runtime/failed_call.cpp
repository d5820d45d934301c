// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "runtime/failed_call.hpp"

#include <cstdio>

#include "core/error.hpp"

namespace moecal {

std::string failed_call_message(const LibraryStatus& status, std::string_view what,
                                const std::source_location& where) {
  std::string message{what};
  message += " failed: " + std::string{status.library} + " said " + std::string{status.name};
  if (!status.explanation.empty()) message += " (" + std::string{status.explanation} + ")";
  // The file's base name: the path of the build machine helps nobody.
  const std::string_view path = where.file_name();
  message += " [" + std::string{path.substr(path.find_last_of('/') + 1)} + ":" +
             std::to_string(where.line()) + "]";
  return message;
}

void throw_failed_call(const LibraryStatus& status, std::string_view what,
                       const std::source_location& where) {
  throw Error{failed_call_message(status, what, where)};
}

void report_failed_call(const LibraryStatus& status, std::string_view what) noexcept {
  std::fprintf(stderr, "moecal: %.*s failed: %.*s said %.*s\n", static_cast<int>(what.size()),
               what.data(), static_cast<int>(status.library.size()), status.library.data(),
               static_cast<int>(status.name.size()), status.name.data());
}

}  // namespace moecal
