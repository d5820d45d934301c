// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "interchange/importer.hpp"
#include "interchange/printed_number.hpp"

namespace moecal::interchange {

/// One cell of a matrix: a pair of devices, or of a device and the host. Nothing: "N/A".
struct NvbandwidthCell {
  int line = 0;
  std::string text;
  std::optional<PrintedNumber> number;
};

/// A line of a matrix that is no row of it.
struct NvbandwidthDamage {
  int line = 0;
  std::string reason;
};

/// One matrix of one test, whichever of its two formats it was read from.
struct NvbandwidthTest {
  int line = 0;             // where the test begins
  std::string name;         // host_to_device_memcpy_ce
  std::string status;       // "Passed"; another: why there are no cells
  std::string description;  // "... bandwidth (GB/s)"
  std::vector<NvbandwidthCell> cells;
  std::optional<PrintedNumber> sum;
  std::vector<NvbandwidthDamage> damage{};
};

/// What a run of nvbandwidth says, in its text or its JSON.
struct NvbandwidthRun {
  std::string version = "unknown";
  std::string driver;
  std::vector<std::string> devices;  // names, one per device
  double buffer_bytes = 0;           // 0: the run does not say
  std::vector<NvbandwidthTest> tests;
};

[[nodiscard]] NvbandwidthRun read_nvbandwidth_text(std::string_view text);
/// @throws InvalidInput naming file, line and field.
[[nodiscard]] NvbandwidthRun read_nvbandwidth_json(const ForeignFile& file);

}  // namespace moecal::interchange
