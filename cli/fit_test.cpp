// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "calibration/coefficients.hpp"
#include "calibration/predict.hpp"
#include "calibration/testing/synthetic.hpp"
#include "tests/temporary_folder.hpp"
#include "tests/verb_process.hpp"

// `moecal fit` as a user runs it, beside tests/calibration/cli_test.py: which files it may write,
// and the way of a MoE layer from a table to another card.
namespace moecal {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class FitVerb : public testing::Test {
 protected:
  [[nodiscard]] std::string path(const std::string& name) const { return folder_.path(name); }

  /// An all-reduce over 4 ranks at twelve sizes.
  std::string observations() const {
    const auto file = path("w.jsonl");
    std::ofstream out{file};
    out << to_json_line(calibration::synthetic::environment()) << "\n";
    const auto seconds = [](double bytes) { return 1e-5 + bytes / 1e10; };
    for (const auto& o : calibration::synthetic::curve("all_reduce", 4, 12, seconds, {}))
      out << to_json_line(o) << "\n";
    return file;
  }

  TemporaryFolder folder_;
};

class Outputs : public FitVerb {
 protected:
  void expect_refused(const std::string& arguments, const std::string& message) const {
    const auto input = observations();
    const auto before = read_file(input);
    const auto run = run_moecal(arguments);
    EXPECT_EQ(run.status, 2) << arguments << "\n" << run.text;
    EXPECT_THAT(run.text, HasSubstr(message)) << arguments;
    EXPECT_EQ(read_file(input), before) << arguments;
  }
};

TEST_F(Outputs, OfFitAreNeitherItsInputNorEachOther) {
  const auto w = observations();
  fs::create_symlink(w, path("link.json"));
  fs::create_hard_link(w, path("same.json"));
  const std::string overwrite = "would overwrite";
  expect_refused("fit " + w + " --out " + w, "--out would overwrite '" + w + "'");
  expect_refused("fit " + w + " --out " + path("./w.jsonl"), overwrite);
  expect_refused("fit " + w + " --out " + path("link.json"), overwrite);
  expect_refused("fit " + w + " --out " + path("same.json"), overwrite);
  expect_refused("fit " + w + " --out " + path("c.json") + " --csv " + w, "--csv would overwrite");
  expect_refused("fit " + w + " --out " + path("x.csv"),
                 "--out and the flat table beside it (see --csv) are one file");
  expect_refused("fit " + w + " --out " + path("c") + " --csv " + path("./c"),
                 "--out and --csv are one file");
  EXPECT_FALSE(fs::exists(path("x.csv")));
}

TEST_F(Outputs, OfTheOtherVerbsAreNotTheirInputs) {
  const auto w = observations();
  expect_refused(
      "suggest " + w + " --operation all_reduce --group 4 --range bytes=1:2048 --out " + w,
      "would overwrite");
  expect_refused("import " + w + " --out " + w, "would overwrite");
  expect_refused("transfer --to mi210 --from " + w + " --out " + w, "would overwrite");
}

TEST_F(Outputs, AreNotWrittenOverFilesOfAnotherKind) {
  const auto w = observations(), table = path("w.csv"), other = path("other.jsonl");
  const std::string text = "framework,version,device,op_name,latency\nNCCL,2.29,B200,x,0.1\n";
  std::ofstream{table} << text;
  fs::copy_file(w, other);
  const auto wish = " --operation all_reduce --group 4 --range bytes=1:2048";
  expect_refused("fit " + w + " --out " + path("w.json"),
                 "the flat table beside it (see --csv) would overwrite '" + table +
                     "', which is not a flat table of coefficients that moecal wrote");
  expect_refused("fit " + w + " --out " + path("x.json") + " --csv " + table, "--csv would overwr");
  expect_refused("fit " + w + " --out " + other, "which is not a file of coefficients");
  expect_refused("suggest " + w + wish + " --out " + other, "which is not a suite file");
  expect_refused("suggest " + w + wish + " --out " + table, "which is not a suite file");
  expect_refused("transfer --to mi210 --out " + other, "which is not a file of coefficients");
  EXPECT_EQ(read_file(table), text);
  EXPECT_EQ(read_file(other), read_file(w));
  EXPECT_FALSE(fs::exists(path("w.json"))) << "nothing is written beside what is refused";
}

TEST_F(Outputs, AreWrittenOverFilesOfTheirKind) {
  const auto w = observations();
  std::ofstream{path("empty.json")};
  std::ofstream{path("empty.csv")};
  const auto fit = "fit " + w + " --out ", suggest = "suggest " + w +
                                                     " --operation all_reduce --group 4 --range "
                                                     "bytes=1:2048 --out ";
  for (const auto& command : {fit + path("c.json"), fit + path("empty.json"), suggest + path("s")})
    for (int turn = 0; turn < 2; ++turn) {
      const auto run = run_moecal(command);
      EXPECT_EQ(run.status, 0) << command << "\n" << run.text;
    }
}

class Summary : public FitVerb {
 protected:
  /// Curves of few points each, which are fitted together.
  [[nodiscard]] std::string sparse_curves() const {
    const auto file = path("sparse.jsonl");
    std::ofstream out{file};
    out << to_json_line(calibration::synthetic::environment()) << "\n";
    for (const int group : {2, 4, 8}) {
      const auto seconds = [&](double bytes) { return 1e-5 * group + bytes / 1e10; };
      const auto all = calibration::synthetic::curve("all_reduce", group, 20, seconds,
                                                     {.spread = 0.01, .seed = 3});
      for (std::size_t i = static_cast<std::size_t>(group) / 4; i < all.size(); i += 4)
        out << to_json_line(all[i]) << "\n";
    }
    return file;
  }
};

/// In percent, as predictions at the sizes of its table have them.
std::string widths_of(const calibration::Model& model) {
  double narrowest = 1e9, widest = 0;
  for (const auto& [size, seconds] : model.table) {
    const auto one = predict_with(model, {{"bytes", std::llround(size)}});
    narrowest = std::min(narrowest, one.hi / one.seconds);
    widest = std::max(widest, one.hi / one.seconds);
  }
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%5.1f..%.1f\n", 100 * (narrowest - 1),
                100 * (widest - 1));
  return text.data();
}

TEST_F(Summary, OfAPooledCurveHasTheWidthsOfItsSizes) {
  const auto run = run_moecal("fit " + sparse_curves() + " --out " + path("c.json"));
  ASSERT_EQ(run.status, 0) << run.text;
  int pooled = 0;
  for (const auto& model : calibration::read_coefficients(path("c.json")).models)
    if (model.form == "pooled_curve") {
      EXPECT_THAT(run.text, HasSubstr(widths_of(model))) << model.id;
      ++pooled;
    }
  EXPECT_EQ(pooled, 3);
}

TEST_F(Outputs, MayBeADeviceTwice) {
  const auto run = run_moecal("fit " + observations() + " --out /dev/null --csv /dev/null");
  EXPECT_EQ(run.status, 0) << run.text;
}

/// Layers of two models, whose experts divide over 1 to 8 ranks of one and 1 to 4 of the other:
/// no product of the numbers' ranges is a layer.
std::string layer_table(const std::string& device, double speed) {
  struct Model {
    int hidden, inter, top_k, experts, most_parallel;
  };
  std::string table =
      "framework,version,device,op_name,kernel_source,moe_dtype,num_tokens,hidden_size,inter_size,"
      "topk,num_experts,moe_tp_size,moe_ep_size,distribution,latency\n";
  for (const auto& m : {Model{4096, 1536, 8, 128, 8}, Model{3072, 1024, 4, 60, 4}})
    for (int parallel = 1; parallel <= m.most_parallel; parallel *= 2)
      for (int tokens = 1; tokens <= 16384; tokens *= 8) {
        const double rows = 1.0 * tokens * m.top_k / parallel;
        const double experts = std::min<double>(m.experts / parallel, rows);
        const double weights = 3.0 * m.hidden * m.inter;
        const double seconds =
            2e-5 + std::max(2 * rows * weights / 1e15, 2 * experts * weights / 5e12) / speed;
        table += "FW,2.0," + device + ",moe,kern,bfloat16," + std::to_string(tokens) + "," +
                 std::to_string(m.hidden) + "," + std::to_string(m.inter) + "," +
                 std::to_string(m.top_k) + "," + std::to_string(m.experts) + ",1," +
                 std::to_string(parallel) + ",balanced," + std::to_string(1e3 * seconds) + "\n";
      }
  return table;
}

/// Four GEMMs of a card, so that there is something to compare and to transfer.
std::string gemm_table(const std::string& device, double speed) {
  std::string table = "framework,version,device,op_name,kernel_source,gemm_dtype,m,n,k,latency\n";
  for (int m = 1; m <= 16384; m *= 4)
    for (const int n : {1024, 4096, 28672})
      for (const int k : {512, 4096}) {
        const double seconds = 5e-6 + std::max(2.0 * m * n * k / 1e15, 2.0 * n * k / 5e12) / speed;
        table += "FW,2.0," + device + ",gemm,kern,bfloat16," + std::to_string(m) + "," +
                 std::to_string(n) + "," + std::to_string(k) + "," + std::to_string(1e3 * seconds) +
                 "\n";
      }
  return table;
}

class MoeLayer : public FitVerb {
 protected:
  /// Fits one card's tables. @returns the coefficients' file.
  std::string fitted(const std::string& card, const std::string& device, double speed) const {
    std::ofstream{path(card + "_moe.csv")} << layer_table(device, speed);
    std::ofstream{path(card + "_gemm.csv")} << gemm_table(device, speed);
    const auto imported = run_moecal("import " + path(card + "_moe.csv") + " " +
                                     path(card + "_gemm.csv") + " --out " + path(card + ".jsonl"));
    EXPECT_EQ(imported.status, 0) << imported.text;
    const auto run = run_moecal("fit " + path(card + ".jsonl") + " --out " + path(card + ".json"));
    EXPECT_EQ(run.status, 0) << run.text;
    EXPECT_THAT(run.text, HasSubstr("moe_layer/" + card));
    return path(card + ".json");
  }
};

TEST_F(MoeLayer, GoesFromATableToPredictionsAndComparisons) {
  const auto b200 = fitted("b200-sxm", "NVIDIA B200", 1);
  const auto h200 = fitted("h200-sxm", "NVIDIA H200", 0.6);

  const auto csv = read_file(path("b200-sxm.csv"));
  EXPECT_THAT(csv, HasSubstr(",inter,"));
  int layers = 0;
  for (auto at = csv.find("\nmoe_layer,"); at != std::string::npos;
       at = csv.find("\nmoe_layer,", at + 1))
    ++layers;
  EXPECT_EQ(layers, 7 * 5) << "a row for each layer measured";
  EXPECT_THAT(csv, HasSubstr("moe_layer,b200-sxm-8,bf16,1,,,,,8,4096,1536,128,8,,1,4,"));

  const std::string ask =
      " --operation moe_layer --dtype bf16 --point tokens=512 hidden=4096 inter=1536 experts=128 "
      "top_k=8 tensor_parallel=1 expert_parallel=2 --routing balanced";
  const auto predicted = run_moecal("predict " + b200 + ask);
  EXPECT_EQ(predicted.status, 0) << predicted.text;
  EXPECT_THAT(predicted.text, HasSubstr("moe_layer/b200-sxm/bf16"));

  const auto files = " --coefficients " + b200 + " " + h200;
  const auto compared = run_moecal("compare b200-sxm h200-sxm --operation expert_gemm" + files);
  EXPECT_EQ(compared.status, 0) << compared.text;
  EXPECT_THAT(compared.text, HasSubstr("faster"));

  const auto transferred =
      run_moecal("transfer --to h100-sxm --from " + b200 + " " + h200 + " --out " + path("t.json"));
  EXPECT_EQ(transferred.status, 0) << transferred.text;
  EXPECT_THAT(transferred.text,
              HasSubstr("not transferred: moe_layer/h100-sxm/bf16/transferred/warm: several"));
  EXPECT_EQ(run_moecal("transfer --leave-one-out --from " + b200 + " " + h200).status, 0);
}

}  // namespace
}  // namespace moecal
