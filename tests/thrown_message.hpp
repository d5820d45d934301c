// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

#include "core/error.hpp"

namespace moecal {

/// The sentence of the error that a call throws; "no error" if it throws none.
template <class Function>
[[nodiscard]] std::string thrown_message(Function function) {
  try {
    function();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace moecal
