// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <chrono>
#include <cstdio>
#include <span>
#include <string>

/// What messages between ranks, and sentences about them, are made of.
namespace moecal {

/// A structure of plain data as it travels; ranks of a launch are one program.
template <class T>
[[nodiscard]] std::span<char> bytes_of(T& value) {
  return {reinterpret_cast<char*>(&value), sizeof value};
}

/// As much of a text as fits, with a zero at its end.
inline void copy_text(std::span<char> to, const std::string& from) {
  std::snprintf(to.data(), to.size(), "%s", from.c_str());
}

/// "0.3 s".
[[nodiscard]] inline std::string seconds_text(std::chrono::milliseconds time) {
  char text[32];
  std::snprintf(text, sizeof text, "%g s", static_cast<double>(time.count()) / 1e3);
  return text;
}

}  // namespace moecal
