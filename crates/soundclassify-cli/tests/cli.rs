// SPDX-License-Identifier: MIT OR Apache-2.0
//! The program, run as people run it.

mod common;

mod cli {
    mod browser;
    mod complete;
    mod doctor;
    mod empty;
    mod ending;
    mod features;
    mod file;
    mod help;
    mod inspect;
    mod labels;
    mod learn;
    mod live;
    mod mqtt;
    mod odd_files;
    mod progress;
    mod reconnect;
    mod report;
    mod report_page;
    mod scan;
    mod scan_forms;
    mod secrets;
    mod support;
    mod terminal;
    mod tune;
    mod tune_labelled;
    mod verify;
}
