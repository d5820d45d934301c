// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "interchange/json_rows.hpp"
#include "interchange/nvbandwidth_tests.hpp"

namespace moecal::interchange {
namespace {

constexpr double kMebi = 1024.0 * 1024;

/// "0: NVIDIA H100 (00000000:19:00)" -> "NVIDIA H100".
std::string device_name(const std::string& listed) {
  const auto begin = listed.find(": ");
  const auto name = begin == std::string::npos ? listed : listed.substr(begin + 2);
  return name.substr(0, name.rfind(" ("));
}

void take_cell(const nlohmann::json& cell, NvbandwidthTest& test) {
  const auto text = cell.is_string() ? cell.get<std::string>() : cell.dump();
  test.cells.push_back({test.line, text, printed_number(text)});
}

NvbandwidthTest test_of(const JsonReader& reader) {
  NvbandwidthTest test;
  test.line = reader.where().line;
  test.name = reader.require<std::string>("name");
  test.status = reader.require<std::string>("status");
  test.description = text_in(reader, "bandwidth_description");
  const auto matrix = reader.json().find("bandwidth_matrix");
  if (matrix == reader.json().end()) return test;
  if (!matrix->is_array()) reader.fail("bandwidth_matrix", "is not an array of arrays");
  for (const auto& row : *matrix) {
    if (!row.is_array()) reader.fail("bandwidth_matrix", "is not an array of arrays");
    for (const auto& cell : row) take_cell(cell, test);
  }
  // Several matrices of one test have the sum of the last only.
  const auto sum = reader.json().find("sum");
  if (sum != reader.json().end() && sum->is_number())
    test.sum = PrintedNumber{sum->get<double>(), 0, false};
  return test;
}

}  // namespace

NvbandwidthRun read_nvbandwidth_json(const ForeignFile& file) {
  const auto document = foreign_document(file);
  const JsonReader root{document, {file.path, line_of(document)}};
  const auto body = root.object("nvbandwidth");
  NvbandwidthRun run;
  run.version = text_in(body, "version", "unknown");
  run.driver = text_in(body, "Driver Version");
  for (const auto& device :
       body.optional<std::vector<std::string>>("GPU Device list", std::vector<std::string>{}))
    run.devices.push_back(device_name(device));
  if (body.has("bufferSize")) run.buffer_bytes = number_in(body, "bufferSize") * kMebi;
  for (const auto& test : rows_of(body, "testcases")) run.tests.push_back(test_of(test));
  return run;
}

}  // namespace moecal::interchange
